"""Files that tests attach: PDFs written by pypdf, zips with whatever a test wants in their directory."""

from __future__ import annotations

import io
import zipfile


def pdf(pages: list[str | bytes], password: str | None = None, picture: bool = False) -> bytes:
    """A PDF with one text a page, or with the given content stream where a page is bytes."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, NumberObject, StreamObject

    writer = PdfWriter()
    names = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font = writer._add_object(DictionaryObject({NameObject(k): NameObject(v) for k, v in names.items()}))
    resources = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
    if picture:
        image = StreamObject()
        image.set_data(b"\0")
        for key, value in (("/Width", 1), ("/Height", 1), ("/BitsPerComponent", 8)):
            image[NameObject(key)] = NumberObject(value)
        image[NameObject("/Subtype")] = NameObject("/Image")
        image[NameObject("/ColorSpace")] = NameObject("/DeviceGray")
        resources[NameObject("/XObject")] = DictionaryObject({NameObject("/I"): writer._add_object(image)})
    for text in pages:
        page = writer.add_blank_page(300, 300)
        stream = DecodedStreamObject()
        if isinstance(text, str):
            escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            text = f"BT /F1 12 Tf 20 200 Td ({escaped}) Tj ET".encode("latin1")
        stream.set_data(text)
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
        page[NameObject("/Resources")] = resources
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def zipped(files: dict[str, str | bytes], change=None) -> bytes:
    """A zip of these files; `change` may spoil each entry before it is written."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(entry)
            archive.writestr(entry, data)
    return out.getvalue()
