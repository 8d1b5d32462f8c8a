"""The parts of the ONNX export: writing graphs, the two precisions, torch's exporter, running a file."""
