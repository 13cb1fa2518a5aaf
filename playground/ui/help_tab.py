"""The Help tab: what to try, keys, where data is kept, the API, and forgetting the settings."""

from __future__ import annotations

import gradio as gr

from playground.ui.context import AppContext

TEXT = """
## What to try
- **Chat**: send one question to two models. One thinks before it answers: open the fold above its answer.
- **Classify**: click an example. Texts with their true labels beside them give accuracy and a confusion matrix.
- **Code**: press *Example plan*, change it, then *Write*: each file is written by itself, checked and packed. A larger
  model can make the plan, too; the starter models plan and program badly.
- **Text to image**: click an example. The same seed over two models shows what differs between them.
- **Inpaint**: press *Try the example*, then *Inpaint*. The rest of the picture stays the same to the last bit, and the
  page checks that.
- **LoRAs and embeddings**: put `.safetensors` files into `{folder}/adapters`; Text to image lists what fits.
- **Scores**: measure a model on your own machine, and compare it with what others published.
- **Models**: see what fills the memory; load or unload a model.

The starter models come with the app and know a small world: sums, capitals, small talk, and scenes of coloured shapes.
They need no network and no graphics card.

## Keys
| Key | What it does |
|---|---|
| Enter | sends the message in Chat; Shift+Enter starts a new line |
| Ctrl+Enter | runs what the open tab runs |
| Esc | stops what runs in the open tab |

## Where data is kept
Conversations, pictures and scores lie in `{folder}` on the machine that runs the app, and are shown only to the
browser, or login, that made them. The settings of the forms are kept in this browser, encrypted.

## API
Everything can be called by a program. The functions and their parameters stand behind *Use via API* at the foot of the
page. For example:

```python
from gradio_client import Client

client = Client("{url}")
answers = client.predict("What is 7 plus 5?", ["starter-phi", "starter-mistral"], api_name="/chat")
```
"""


def build_help(context: AppContext) -> gr.Button:
    """Adds the tab's contents; returns the button that forgets the settings."""
    host = "127.0.0.1" if context.settings.host in ("", "0.0.0.0") else context.settings.host  # noqa: S104
    url = f"http://{host}:{context.settings.port}/"
    with gr.Column(elem_id="help_text", elem_classes="pg-prose"):
        gr.Markdown(TEXT.format(folder=_short(str(context.settings.data_path)), url=url), elem_id="help_markdown")
        gr.Markdown("## Reset\nForgets conversations and form settings in this browser. Pictures and scores stay.")
        return gr.Button("Reset settings", elem_id="reset_settings", size="md")


def _short(folder: str) -> str:
    """The folder without the name of the user, whose page others may see."""
    from pathlib import Path

    home = str(Path.home())
    return folder.replace(home, "~", 1) if folder.startswith(home) else folder
