"""Other projects' versions of the same models, and all of them against ours in one interleaved run.

One command each, in this order:

    python -m benchmarks.peers.models --out runs/peers       the models as folders, and our ONNX files
    python -m benchmarks.peers.optimizer --models runs/peers ONNX Runtime's own optimizer and quantisation
    python -m benchmarks.peers.optimum --models runs/peers   optimum-onnx, in an environment of its own
    python -m benchmarks.peers.openvino --models runs/peers  OpenVINO and NNCF, in an environment of their own
    python -m benchmarks.peers.compare --models runs/peers --csv peers.csv
"""
