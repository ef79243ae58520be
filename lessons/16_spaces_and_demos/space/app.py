"""A demo of one model.

The Space's variables MODEL_ID and MODEL_REVISION say which; who knows the secret USAGE_KEY may read /usage.
"""

import hmac
import os
import threading

import gradio as gr
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

MODEL, REVISION = os.environ["MODEL_ID"], os.environ["MODEL_REVISION"]
REQUESTS = {
    "Translate to French": "Translate to French: {}",
    "Judge a review": "Is this review positive or negative? {}",
}
MOST_TOKENS = 256

tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForSeq2SeqLM.from_pretrained(MODEL, revision=REVISION)
asked, counting = dict.fromkeys(REQUESTS, 0), threading.Lock()


def ask(request: str, text: str) -> str:
    """What the model answers to a request about a text."""
    if request not in REQUESTS:
        raise gr.Error(f"Choose one of: {', '.join(REQUESTS)}.", print_exception=False)
    if not text.strip():
        raise gr.Error("There is no text yet. Write or paste one.", print_exception=False)
    inputs = tokenizer(REQUESTS[request].format(text.strip()), return_tensors="pt")
    if inputs["input_ids"].shape[1] > MOST_TOKENS:
        raise gr.Error(f"The text is longer than {MOST_TOKENS} tokens. Shorten it.", print_exception=False)
    with counting:
        asked[request] += 1
    return tokenizer.decode(
        model.generate(**inputs, do_sample=False, max_new_tokens=64)[0], skip_special_tokens=True
    )


def usage(key: str) -> dict[str, int]:
    """How often each request was made, for whoever has the key; no text is kept."""
    expected = os.environ.get("USAGE_KEY", "")
    if not expected or not hmac.compare_digest(key.encode(), expected.encode()):
        raise gr.Error("That is not the key.", print_exception=False)
    return dict(asked)


with gr.Blocks(title="The model of Saltmarsh", analytics_enabled=False) as demo:
    request = gr.Dropdown(list(REQUESTS), value="Translate to French", label="What to do")
    text = gr.Textbox(label="Your text", lines=4)
    answer = gr.Textbox(label="The model says", interactive=False)
    gr.Button("Ask", variant="primary").click(ask, [request, text], answer, api_name="ask")
    gr.Examples([["Translate to French", "The harbour is open today."]], [request, text])
    gr.api(usage, api_name="usage")

if __name__ == "__main__":
    demo.queue(max_size=20).launch()
