"""A gradio page with one text box: what the start-up benchmark compares the app with.

Run as a file (`python -P playground/ui/bare.py PORT`), so that nothing of the app is loaded beside gradio.
"""

import sys

import gradio as gr

if __name__ == "__main__":
    with gr.Blocks() as page:
        gr.Textbox()
    page.launch(server_port=int(sys.argv[1]))
