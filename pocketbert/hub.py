"""Whether the Hugging Face Hub answers, asked once before a library that would wait and retry is asked."""

from threading import Thread

from huggingface_hub import constants, get_session

PROBE_SECONDS = 3.0


def hub_reachable(seconds: float = PROBE_SECONDS) -> bool:
    """Tell within `seconds` whether the Hub answers at all; no if HF_HUB_OFFLINE is set.

    Its client retries for 20 s and more without a network, so we ask once ourselves. Name look-ups can't be given a
    time limit, hence the thread.
    """
    if constants.HF_HUB_OFFLINE:
        return False
    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(constants.ENDPOINT, timeout=seconds).status_code < 500)
        except Exception:  # whatever it is, the Hub did not answer
            answers.append(False)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers and answers[0])
