"""A page with one box."""

import gradio as gr
from predict import predict


def ask(text: str) -> dict[str, str | float]:
    """What the model says of a text."""
    try:
        return predict(text)
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from None


demo = gr.Interface(
    ask, gr.Textbox(label="Review"), gr.JSON(label="The model says"), api_name="ask", analytics_enabled=False
)

if __name__ == "__main__":
    demo.launch()
