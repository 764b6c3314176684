"""Scores of ./bench denoise-quality. Reads a line of JSON for each job and answers with one.

    python score.py MODEL        MODEL: DNSMOS P.835's sig_bak_ovr.onnx

A job: `output` and `clean` (float32 files at 48 kHz, aligned, of the same length), `input` for levels, `gain` that was applied to
clean and input, `start` in samples, and the names of the scores:

pesq      PESQ of wide band (ITU-T P.862.2)
stoi      STOI and ESTOI
sisdr     scale-invariant signal-to-distortion ratio, dB, to 8 kHz
mos       DNSMOS P.835: SIG, BAK, OVRL, as its authors compute them (9 s, repeated if shorter, every second)
hf        level above 8.5 kHz against the clean one while somebody speaks, dB
onset     what is left of the first 80 ms of words (the part of the output that the clean one explains), dB
residual  level of the output against the input, dB
"""

import json
import os
import sys
from functools import lru_cache

for library in ("OMP", "OPENBLAS"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
from pesq import PesqError, pesq
from pystoi import stoi
from scipy.signal import firwin, resample_poly

RATE, LOW = 48000, 16000
TAPS = firwin(2 * 64 * 3 + 1, 0.97 / 3, window=("kaiser", 8.0))

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
model = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])


def load(path):
    return np.fromfile(path, dtype="<f4").astype(np.float64)


def low(samples):
    return resample_poly(samples, 1, 3, window=TAPS)


@lru_cache(maxsize=16)
def clean_at(path, gain, start):
    samples = load(path)[start:] * gain
    return samples, low(samples)


def frames(samples, size):
    return samples[: len(samples) // size * size].reshape(-1, size)


def wide_pesq(clean, output):
    try:
        return pesq(LOW, clean, output, "wb")
    except PesqError:
        return None


def distortion(clean, output):
    clean, output = clean - clean.mean(), output - output.mean()
    target = clean * (output @ clean) / (clean @ clean)
    return 10 * np.log10((target @ target) / ((output - target) @ (output - target) + 1e-12))


def opinion(output):
    size = int(9.01 * LOW)
    output = np.clip(output, -1, 1)
    while len(output) < size:
        output = np.concatenate([output, output])
    hops = int(np.floor(len(output) / LOW) - 9.01) + 1
    parts = [output[hop * LOW : hop * LOW + size] for hop in range(hops)]
    raw = [model.run(None, {"input_1": part.astype(np.float32)[None]})[0][0] for part in parts if len(part) == size]
    sig, bak, ovrl = np.array(raw, dtype=np.float64).T
    return {
        "sig": np.polyval([-0.08397278, 1.22083953, 0.0052439], sig).mean(),
        "bak": np.polyval([-0.13166888, 1.60915514, -0.39604546], bak).mean(),
        "ovrl": np.polyval([-0.06766283, 1.11546468, 0.04602535], ovrl).mean(),
    }


def upper_band(clean, output):
    size = 1024
    high = np.fft.rfftfreq(size, 1 / RATE) > 8500
    spectra = [np.abs(np.fft.rfft(frames(x, size) * np.hanning(size))) ** 2 for x in (clean, output)]
    level = 10 * np.log10(spectra[0].sum(axis=1) + 1e-12)
    spoken = level > level.max() - 35
    return 10 * np.log10(spectra[1][spoken][:, high].sum() / spectra[0][spoken][:, high].sum())


def onsets(clean, output):
    step = LOW // 100
    level = 10 * np.log10((frames(clean, step) ** 2).mean(axis=1) + 1e-12)
    quiet, loud = level.max() - 40, level.max() - 28
    left = []
    for begin in range(15, len(level) - 8):
        if level[begin] > quiet and (level[begin - 15 : begin] < quiet).all() and level[begin : begin + 8].max() > loud:
            part = slice(begin * step, (begin + 8) * step)
            share = (output[part] @ clean[part]) / (clean[part] @ clean[part])
            left.append(20 * np.log10(np.clip(share, 0.01, 4)))
    return float(np.mean(left)) if left else None


def scores(job):
    start, gain, wanted = job["start"], job["gain"], job["scores"]
    clean, clean_low = clean_at(job["clean"], gain, start)
    output = load(job["output"])[start:]
    output_low = low(output)
    result = {}
    if "pesq" in wanted:
        result["pesq"] = wide_pesq(clean_low, output_low)
    if "stoi" in wanted:
        result["stoi"] = stoi(clean_low, output_low, LOW)
        result["estoi"] = stoi(clean_low, output_low, LOW, extended=True)
    if "sisdr" in wanted:
        result["sisdr"] = distortion(clean_low, output_low)
    if "mos" in wanted:
        result.update(opinion(output_low))
    if "hf" in wanted:
        result["hf"] = upper_band(clean, output)
    if "onset" in wanted:
        result["onset"] = onsets(clean_low, output_low)
    if "residual" in wanted:
        heard = load(job["input"])[start:] * gain
        result["residual"] = 10 * np.log10(((output**2).mean() + 1e-12) / (heard**2).mean())
    return {name: value if value is None else round(float(value), 5) for name, value in result.items()}


for line in sys.stdin:
    print(json.dumps(scores(json.loads(line))), flush=True)
