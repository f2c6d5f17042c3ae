"""Import interviews of 9,000 characters in ten languages: interviews a second and memory.

Beside it stand one `create` a row, and what Label Studio 1.23 needed on two cores for texts of the
same length. Run with `python -m benchmarks.imports [--full] [--interviews N]`; `--full` takes the
80,508 interviews of the largest published study.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studies.models import Study

FULL = 80_508
LENGTH = 9_000  # characters of an interview
LABEL_STUDIO = {20_000: 377, FULL: 126}  # interviews a second, with neither turns nor languages

# (code, interviewer, participant, sentences): everyday words, mixed anew for every interview.
TONGUES = [
    (
        "en",
        "Interviewer",
        "Participant",
        "I use it nearly every day at work. Sometimes the answer is simply wrong. My colleagues do "
        "not trust it at all. It saves me about two hours a week. I still check every number "
        "twice. When it fails, I call somebody I know.",
    ),
    (
        "es",
        "Entrevistadora",
        "Participante",
        "Lo uso casi todos los días en el trabajo. A veces la respuesta está equivocada. Mis "
        "compañeros no se fían nada. Me ahorra unas dos horas por semana. Reviso cada número dos "
        "veces. Cuando falla, llamo a alguien que conozco.",
    ),
    (
        "fr",
        "Enquêtrice",
        "Participant",
        "Je l'utilise presque tous les jours au travail. Parfois la réponse est tout simplement "
        "fausse. Mes collègues n'ont pas confiance. Cela me fait gagner deux heures par semaine. "
        "Je vérifie encore chaque chiffre deux fois.",
    ),
    (
        "de",
        "Interviewerin",
        "Teilnehmer",
        "Ich benutze es fast jeden Tag bei der Arbeit. Manchmal ist die Antwort einfach falsch. "
        "Meine Kolleginnen trauen ihm überhaupt nicht. Es spart mir etwa zwei Stunden in der "
        "Woche. Ich prüfe trotzdem jede Zahl zweimal.",
    ),
    (
        "ru",
        "Интервьюер",
        "Участница",
        "Я пользуюсь этим почти каждый день на работе. Иногда ответ просто неверный. Мои коллеги "
        "этому совсем не доверяют. Это экономит мне около двух часов в неделю. Я всё равно "
        "проверяю каждую цифру дважды.",
    ),
    (
        "ar",
        "المحاور",
        "المشارك",
        "أستخدمه كل يوم تقريبا في العمل. أحيانا تكون الإجابة خاطئة تماما. زملائي لا يثقون به "
        "أبدا. يوفر لي حوالي ساعتين في الأسبوع. ما زلت أراجع كل رقم مرتين.",
    ),
    (
        "hi",
        "साक्षात्कारकर्ता",
        "प्रतिभागी",
        "मैं इसे लगभग हर दिन काम पर इस्तेमाल करता हूँ। कभी कभी जवाब बिल्कुल गलत होता है। मेरे "
        "साथी इस पर भरोसा नहीं करते। इससे हर हफ्ते दो घंटे बचते हैं। मैं हर संख्या दो बार जाँचता हूँ।",
    ),
    (
        "pt",
        "Entrevistador",
        "Participante",
        "Eu uso isso quase todos os dias no trabalho. Às vezes a resposta está simplesmente "
        "errada. Os meus colegas não confiam nada nisso. Poupa-me umas duas horas por semana. "
        "Mesmo assim verifico cada número duas vezes.",
    ),
    (
        "sw",
        "Mhoji",
        "Mshiriki",
        "Ninaitumia karibu kila siku kazini. Wakati mwingine jibu si sahihi kabisa. Wenzangu "
        "hawaiamini hata kidogo. Inaniokoa saa mbili kila wiki. Bado ninakagua kila namba mara "
        "mbili.",
    ),
    (
        "zh",
        "访谈者",
        "受访者",
        "我几乎每天工作都用它。 有时候答案完全是错的。 我的同事一点也不相信它。 "
        "它每周帮我省下两个小时。 我还是会把每个数字检查两遍。",
    ),
]


def interview(chance: random.Random, tongue: tuple[str, str, str, str]) -> str:
    """Return an interview of about 9,000 characters, question and answer in turn."""
    _code, asking, answering, words = tongue
    sentences = [sentence.strip() for sentence in words.replace("।", "।.").split(".")]
    sentences = [sentence for sentence in sentences if sentence]
    parts: list[str] = []
    length = 0
    while length < LENGTH:
        question = f"{asking}: {chance.choice(sentences)}?"
        answer = ". ".join(chance.choices(sentences, k=12))
        parts += [question, f"{answering}: {answer}."]
        length += len(question) + len(answer) + len(answering) + 6
    return "\n\n".join(parts)[:LENGTH]


def write(path: Path, interviews: int) -> None:
    """Write a CSV of `interviews`, the same at every call."""
    chance = random.Random(7)  # noqa: S311
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "tongue", "country", "occupation", "text"])
        for number in range(interviews):
            tongue = TONGUES[number % len(TONGUES)]
            country, occupation = f"country {number % 159}", f"occupation {number % 40}"
            text = interview(chance, tongue)
            rows.writerow([f"i{number:06}", tongue[0], country, occupation, text])


def once(way: str, path: Path) -> dict[str, float]:
    """Import `path` in this process and return seconds, interviews and memory in MiB."""
    import django

    django.setup()
    from django.core.management import call_command

    from studies.imports import import_transcripts
    from studies.models import Study

    call_command("migrate", verbosity=0)
    study = Study.objects.create(slug="bench", name="Benchmark")
    began, busy = time.perf_counter(), time.process_time()
    if way == "naive":
        one_at_a_time(study, path)
    else:
        import_transcripts(study, [path], language_column="tongue" if way == "declared" else "")
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    languages = study.transcripts.exclude(language="und").values("language").distinct().count()
    return {
        "seconds": seconds,
        "busy": busy,
        "interviews": study.transcripts.count(),
        "languages": languages,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "child": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def one_at_a_time(study: "Study", path: Path) -> None:
    """Store the rows as a first draft would: read them all, then create one by one."""
    from studies.models import Participant, Segment, Transcript

    csv.field_size_limit(1 << 24)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        person = Participant.objects.create(
            study=study, external_id=row["id"], attributes={"country": row["country"]}
        )
        transcript = Transcript.objects.create(
            study=study,
            participant=person,
            external_id=row["id"],
            text=row["text"],
            length=len(row["text"]),
            language=row["tongue"],
        )
        Segment.objects.create(transcript=transcript, index=1, start=0, end=len(row["text"]))


def measured(way: str, path: Path, folder: Path) -> dict[str, float]:
    """Return what `once` measures, in a process and with a database of its own."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CONCORD_SECRET_KEY": "benchmark",
        "DATABASE_URL": f"sqlite:///{folder / way}.sqlite3",
    }
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.imports", "--once", way, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    for file in folder.glob(f"{way}.sqlite3*"):
        file.unlink()
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interviews", type=int, default=4_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL} interviews")
    parser.add_argument("--once", nargs=2, metavar=("WAY", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options.once[0], Path(options.once[1]))))
        return

    count = FULL if options.full else options.interviews
    print(f"Importing {count} interviews of {LENGTH} characters in {len(TONGUES)} languages")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "interviews.csv", count)
        speeds = {}
        for way, label in (
            ("declared", "Concord, languages declared"),
            ("detected", "Concord, languages detected"),
            ("naive", "one create a row, no turns, no detection"),
        ):
            found = measured(way, folder / "interviews.csv", folder)
            speeds[way] = found["interviews"] / found["seconds"]
            child = f" (+ {found['child']:.0f} a detecting process)" if found["child"] else ""
            print(
                f"  {label:42} {speeds[way]:7.0f} interviews/s   "
                f"{found['interviews'] / found['busy']:5.0f} per CPU second of its process   "
                f"peak {found['megabytes']:4.0f} MiB{child}"
            )
    for size, speed in LABEL_STUDIO.items():
        ratio = speeds["declared"] / speed
        print(
            f"  {f'Label Studio 1.23 at {size} (published)':42} {speed:7} interviews/s   "
            f"Concord is {ratio:.1f} times as fast"
        )
    print(f"  against one create a row: {speeds['declared'] / speeds['naive']:.1f} times as fast")


if __name__ == "__main__":
    main()
