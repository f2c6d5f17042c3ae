"""The corrected share of every code and its 95 % interval, from design.csv and cells.csv."""

import csv
from collections import defaultdict

from scipy.special import betaincinv


def rows(name):
    with open(name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


answers, cells = defaultdict(list), defaultdict(list)
for row in rows("design.csv"):
    key = row["dimension"], row["code"], row["cell"]
    answers[key].append((float(row["inclusion"]), float(row["applies"])))
for row in rows("cells.csv"):
    cells[row["dimension"], row["code"]].append(row)

print("dimension,code,corrected,low,high")
for (dimension, code), several in cells.items():
    total = sum(int(cell["population"]) for cell in several)
    share, below, above = 0.0, 0.0, 0.0
    labels = defaultdict(list)
    for cell in several:
        size, W = int(cell["population"]), int(cell["population"]) / total
        said = answers[dimension, code, cell["cell"]]
        n, w = len(said), sum(1 / pi for pi, _ in said)
        if n == 0:  # nobody looked: from 0 to 1, at the machine's word
            p = float(cell["machine"] in ("1", code))
            share += W * p
            below, above = below + (W * p) ** 2, above + (W * (1 - p)) ** 2
            continue
        p = sum(y / pi for pi, y in said) / w
        share += W * p
        if n == size:  # everybody looked: known
            continue
        squares = sum((1 - pi) / pi**2 * (y - p) ** 2 for pi, y in said)
        v = n / (n - 1) * squares / w**2 if n > 1 and 0 < p < 1 else 0.0
        K = w**2 / sum(1 / pi**2 for pi, _ in said) / (1 - n / size)
        labels[cell["machine"]].append((W, p, v, K))
    for strata in labels.values():  # one pair of limits for each machine label
        W = sum(part[0] for part in strata)
        p = sum(part[0] * part[1] for part in strata) / W
        v = sum((part[0] / W) ** 2 * part[2] for part in strata)
        K = 1 / sum((part[0] / W) ** 2 / part[3] for part in strata)
        n = min(p * (1 - p) / v, K) if v > 0 else K
        low = betaincinv(n * p + 0.5, n * (1 - p) + 0.5, 0.025) if p > 0 else 0.0
        high = betaincinv(n * p + 0.5, n * (1 - p) + 0.5, 0.975) if p < 1 else 1.0
        below, above = below + (W * (p - low)) ** 2, above + (W * (high - p)) ** 2
    low, high = max(share - below**0.5, 0), min(share + above**0.5, 1)
    print(f"{dimension},{code},{share:.12f},{low:.12f},{high:.12f}")
