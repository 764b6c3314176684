"""The items of ./bench denoise-quality: what every suppressor gets, and what it should have given.

    python items.py DEBIAN SPEECH OUT

DEBIAN: unpacked packages (tools/setup/denoise_bench.sh); SPEECH: a folder with the VoiceBank-DEMAND pairs and the sequences
of set B, or a path that is not there, then without them; OUT: float32 samples at 48 kHz, and items.json. Everything random
comes from names, so an item never depends on which others there are. Speakers and noises of `dev` are not in `test`.
"""

import hashlib
import io
import json
import os
import re
import struct
import sys
from glob import glob

import numpy as np
import soundfile
from scipy.signal import butter, firwin, resample_poly, sosfilt

RATE = 48000
NOMINAL = 0.05  # RMS of a phrase: -26 dBFS
SECONDS = 9.1  # one window of DNSMOS
SNRS = (-5, 0, 5, 10, 20)
LEVELS = (-55, -45, -35, -30, -26, -25, -20, -15)  # dBFS
FULL = ("pesq", "stoi", "sisdr", "mos", "hf", "onset")

debian, shared, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)
items = []
written = {}


def chance(*names):
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))


def to_rate(samples, rate, wanted=RATE):
    if rate == wanted:
        return samples
    g = np.gcd(rate, wanted)
    up, down = wanted // g, rate // g
    # 80 dB, pass band to 0.9 of the lower rate: what soundcards do, not less.
    taps = firwin(2 * 48 * max(up, down) + 1, 0.95 / max(up, down), window=("kaiser", 8.0))
    return resample_poly(samples, up, down, window=taps)


def read(path):
    samples, rate = soundfile.read(path)
    return (samples if samples.ndim == 1 else samples.mean(axis=1)), rate


def frames_db(samples, rate):
    n = rate // 100
    frames = samples[: len(samples) // n * n].reshape(-1, n)
    return 10 * np.log10((frames**2).mean(axis=1) + 1e-12)


def power(samples, floor=1e-4):
    heard = samples[np.abs(samples) > floor]
    return float((heard**2).mean()) if len(heard) else 1e-12


# --- Recordings ---------------------------------------------------------------------------------------------------------
def phrase(path):
    """A recording that can stand for clean speech, trimmed, at the nominal level; None: it cannot."""
    try:
        samples, rate = read(path)
    except soundfile.LibsndfileError:
        return None
    if len(samples) < rate // 2 or np.mean(np.abs(samples) > 0.99) > 0.0002:
        return None
    levels = frames_db(samples, rate)
    speech = 10 * np.log10(np.mean(10 ** (levels[levels > levels.max() - 30] / 10)))
    if np.percentile(levels, 5) - speech > -33:
        return None
    loud = np.flatnonzero(levels > speech - 30)
    margin = 5
    n = rate // 100
    samples = samples[max(0, loud[0] - margin) * n : (loud[-1] + 1 + margin) * n]
    samples = to_rate(samples - samples.mean(), rate)
    edge = np.linspace(0, 1, RATE // 100)
    samples[: len(edge)] *= edge
    samples[-len(edge) :] *= edge[::-1]
    return samples * (NOMINAL / np.sqrt((samples**2).mean()))


def sequence(name, paths, seconds=SECONDS):
    """Phrases one after another, 0.2 s between them."""
    paths = sorted(paths)
    chance("order", name).shuffle(paths)
    parts, length = [], 0
    for path in paths:
        one = phrase(path)
        if one is None or not 0.4 * RATE < len(one) < 5 * RATE:
            continue
        parts += [one, np.zeros(RATE // 5)]
        length += len(one) + RATE // 5
        if length >= seconds * RATE:
            return np.concatenate(parts)[: int(seconds * RATE)]
    raise SystemExit(f"{name}: not enough clean phrases")


def spoken(package, folder, pattern):
    found = glob(f"{debian}/{package}/usr/share/{folder}", recursive=True)
    return [path for path in found if re.search(pattern, path)]


def tux(language):
    return spoken("tuxpaint-stamps-default", "tuxpaint/stamps/**/*.ogg", rf"_desc_{language}\.ogg$")


def tuberling(language):
    return spoken("ktuberling-data", f"ktuberling/sounds/{language}/*", r"\.(ogg|wav|opus)$")


def fillets(language):
    return spoken(f"fillets-ng-data-{language}", "games/fillets-ng/sound/**/*.ogg", rf"/{language}/[^/]*$")


def asterisk(language, folder):
    return spoken(f"asterisk-core-sounds-{language}-wav", f"asterisk/sounds/{folder}/**/*.wav", r"")


# --- Noise ---------------------------------------------------------------------------------------------------------------
NOISE = 12 * RATE


def keyboard(name, half):
    """Key strokes, 70 to 250 ms apart; every second key belongs to the other half."""
    random = chance("keyboard", name)
    keys = sorted(glob(f"{debian}/bucklespring-data/usr/share/buckle/wav/*.wav"))
    strokes = [to_rate(*read(path)) for path in keys[half::2]]
    result = np.zeros(NOISE)
    at = 0
    while at < NOISE:
        stroke = strokes[random.integers(len(strokes))][: NOISE - at]
        result[at : at + len(stroke)] += stroke
        at += int(RATE * random.uniform(0.07, 0.25))
    return result


def fan(name, blades, turns, tilt, hum):
    """Air (noise with a falling spectrum, slowly moving) and the tones of blades and mains."""
    random = chance("fan", name)
    spectrum = np.fft.rfft(random.standard_normal(NOISE))
    frequency = np.maximum(np.fft.rfftfreq(NOISE, 1 / RATE), 20)
    air = np.fft.irfft(spectrum * (frequency / 200) ** (-tilt / 2), NOISE)
    time = np.arange(NOISE) / RATE
    drift = np.interp(time, np.arange(0, 13), random.uniform(0.98, 1.02, 13))
    phase = 2 * np.pi * np.cumsum(drift) * blades * turns / RATE
    tones = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 7))
    mains = sum(np.sin(2 * np.pi * hum * k * time) / k**2 for k in (1, 2, 3, 5))
    swing = np.interp(time, np.arange(0, 13), random.uniform(0.85, 1.15, 13))
    return swing * (air / air.std() + 0.5 * tones / tones.std()) + 0.3 * mains / mains.std()


def babble(name, talkers):
    """Talkers over each other, each at the same level."""
    random = chance("babble", name)
    result = np.zeros(NOISE)
    for paths in talkers:
        paths = sorted(paths)
        random.shuffle(paths)
        parts, length = [], 0
        for path in paths:
            try:
                one = to_rate(*read(path))
            except soundfile.LibsndfileError:
                continue
            if len(one) < RATE // 4 or np.sqrt((one**2).mean()) < 1e-4:
                continue
            parts.append(one / np.sqrt((one**2).mean()))
            length += len(one)
            if length > NOISE + RATE:
                break
        voice = np.concatenate(parts)
        result += np.roll(voice, -int(random.integers(RATE)))[:NOISE]
    return result


def effects():
    """Sounds of OpenSFX by their number in the file."""
    data = open(f"{debian}/openttd-opensfx/usr/share/games/openttd/baseset/opensfx/opensfx.cat", "rb").read()

    def one(number):
        offset, size = struct.unpack_from("<II", data, 8 * number)
        offset &= 0x7FFFFFFF
        begin = offset + 1 + data[offset]
        samples, rate = soundfile.read(io.BytesIO(data[begin : begin + size]))
        return to_rate(samples, rate)

    return one


# Buses, trains, helicopter, wind, building sites, applause.
STREET = (24, 25, 27, 28, 33, 52, 56, 40, 10, 65, 8, 9, 29, 39, 71, 14)


def street(name, half):
    """Recorded vehicles, machines, wind and applause, each at the same level, faded into each other."""
    one = effects()
    numbers = list(STREET[half::2])
    chance("street", name).shuffle(numbers)
    fade = RATE // 4
    result = np.zeros(NOISE + fade)
    at = 0
    while at < NOISE:
        for number in numbers:
            sound = one(number)
            sound = sound / np.sqrt((sound**2).mean())
            edge = np.linspace(0, 1, fade)
            sound[:fade] *= edge
            sound[-fade:] *= edge[::-1]
            room = sound[: max(0, len(result) - at)]
            result[at : at + len(room)] += room
            at += len(sound) - fade
    return result[:NOISE]


# --- Rooms -----------------------------------------------------------------------------------------------------------------
def room(name, t60):
    """Impulse response of a box by mirror images; reflection from Sabine's formula."""
    random = chance("room", name)
    size = np.array([random.uniform(4, 7), random.uniform(3, 5), 2.7])
    source = size * random.uniform(0.25, 0.75, 3)
    microphone = size * random.uniform(0.25, 0.75, 3)
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    beta = np.sqrt(max(0.0, 1 - 0.161 * size.prod() / (surface * t60)))
    length = int(RATE * t60)
    reach = np.ceil(343 * t60 / (2 * size)).astype(int)
    axes = []
    for axis in range(3):
        n = np.arange(-reach[axis], reach[axis] + 1)
        distance = np.concatenate([2 * n * size[axis] + source[axis], 2 * n * size[axis] - source[axis]]) - microphone[axis]
        axes.append((distance, np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)])))
    result = np.zeros(length)
    for dx, rx in zip(*axes[0]):
        dy, ry = axes[1]
        dz, rz = axes[2]
        distance = np.sqrt(dx**2 + dy[:, None] ** 2 + dz[None, :] ** 2)
        at = np.rint(distance / 343 * RATE).astype(int)
        gain = beta ** (rx + ry[:, None] + rz[None, :]) / distance
        inside = at < length
        np.add.at(result, at[inside], gain[inside])
    direct = int(np.rint(np.linalg.norm(source - microphone) / 343 * RATE))
    # Mirror images alone build up at 0 Hz.
    result = sosfilt(butter(2, 60, "high", fs=RATE, output="sos"), result)
    return result[direct:] / np.abs(result[direct : direct + 5]).max()


# --- Items -----------------------------------------------------------------------------------------------------------------
def save(samples):
    data = np.ascontiguousarray(samples, dtype="<f4")
    name = hashlib.sha256(data.tobytes()).hexdigest()[:24]
    if name not in written:
        data.tofile(f"{out}/{name}.f32")
        written[name] = len(data)
    return name


def item(id, heard, clean, scores=FULL, fullband=False, start=0, gain=1.0, before=None, **what):
    """`start`: seconds that are not scored; `gain`: of all of it; `before`: what is heard before it, "same" for itself."""
    entry = {
        "id": id,
        "input": save(heard),
        "clean": save(clean),
        "scores": [s for s in scores if s != "hf" or fullband],
        "start": start,
        "gain": gain,
        **what,
    }
    if before is not None:
        entry["before"] = before if isinstance(before, str) else save(before)
    entry["hash"] = hashlib.sha256(json.dumps({k: entry[k] for k in sorted(entry) if k != "id"}).encode()).hexdigest()[:24]
    items.append(entry)


def clean_item(name, samples, band, split, fullband=False):
    """Clean speech, from a cold start and after the same passage."""
    for start, before in (("cold", None), ("warm", "same")):
        what = {"set": "C", "split": split, "kind": f"{band}, {start}", "cluster": name}
        item(f"C/{name}/{start}", samples, samples, fullband=fullband, before=before, **what)


def mix(speech, noise, snr):
    noise = np.resize(noise, len(speech))
    heard = speech + noise * np.sqrt(power(speech) / (power(noise, 0) * 10 ** (snr / 10)))
    scale = min(1.0, 0.95 / np.abs(heard).max())
    return heard * scale, speech * scale


# Sequences whose unprocessed sound gets a DNSMOS of at least 2.9 (SIG) and 3.8 (BAK); others are no reference for anything.
speech = {"dev": {}, "test": {}}  # name: (samples, full band?)
noises = {"dev": {}, "test": {}}
for name, paths, fullband in (
    ("fr", tux("fr"), True),
    ("ca", tuberling("ca"), False),
    ("el", tuberling("el"), True),
    ("el2", tux("el"), False),
):
    speech["dev"][name] = (sequence(name, paths), fullband)
for name, paths, fullband in (
    ("nn", tuberling("nn"), True),
    ("lt", tuberling("lt"), True),
    ("uk", tuberling("uk"), True),
    ("bg", tux("bg"), True),
    ("ga", tuberling("ga"), True),
):
    speech["test"][name] = (sequence(name, paths), fullband)
noises["dev"] = {
    "keyboard": keyboard("dev", 0),
    "fan": fan("dev", blades=5, turns=24, tilt=1.0, hum=50),
    "babble": babble("dev", np.array_split(sorted(fillets("cs")), 6)),
    "street": street("dev", 0),
}
noises["test"] = {
    "keyboard": keyboard("test", 1),
    "fan": fan("test", blades=7, turns=41, tilt=0.6, hum=60),
    "babble": babble("test", [tux("es"), tux("ru"), tux("be"), tux("ro"), tuberling("de"), tuberling("en")]),
    "street": street("test", 1),
}
narrow = {"dev": sequence("en", asterisk("en", "*")), "test": sequence("ru", asterisk("ru", "*"))}

given = sorted(glob(f"{shared}/*.flac"))
b_speech, b_noise, pairs = {}, {}, {}
for path in given:
    name = os.path.basename(path)
    if match := re.fullmatch(r"b_speech_(\d+)\.flac", name):
        b_speech["s" + match[1]] = np.resize(to_rate(*read(path)), int(SECONDS * RATE))
    elif match := re.fullmatch(r"b_noise_([a-z]+)_(\d+)\.flac", name):
        kind = {"kbd": "keyboard"}.get(match[1], match[1])
        b_noise.setdefault(kind, []).append(to_rate(*read(path)))
    elif match := re.fullmatch(r"vbd_(\w+)_clean\.flac", name):
        clean = to_rate(*read(path))
        heard = to_rate(*read(path.replace("_clean", "_noisy")))
        item(f"A/{match[1]}", heard, clean, set="A", split="dev", kind="DEMAND", cluster=match[1])
        pairs[match[1]] = heard, clean
        clean_item(match[1], clean, "16 kHz", "dev")
for name, samples in sorted(b_speech.items()):
    clean_item(name, samples, "48 kHz", "dev", fullband=True)
    for kind, versions in sorted(b_noise.items()):
        for snr in SNRS:
            noise = versions[int(chance("version", name, kind).integers(len(versions)))]
            heard, clean = mix(samples, noise, snr)
            id = f"B/{name}/{kind}/{snr}"
            item(id, heard, clean, fullband=True, set="B", split="dev", kind=kind, snr=snr, cluster=name)

for split in ("dev", "test"):
    for name, (samples, fullband) in speech[split].items():
        clean_item(name, samples, "48 kHz", split, fullband=fullband)
        for kind, noise in noises[split].items():
            for snr in SNRS:
                heard, clean = mix(samples, noise, snr)
                id = f"R/{name}/{kind}/{snr}"
                item(id, heard, clean, fullband=fullband, set="R", split=split, kind=kind, snr=snr, cluster=name)

    # Band-limited: a telephone (recorded with 8 kHz) and a headset (16 kHz), noise through the same microphone.
    first, second = list(speech[split])[:2]
    for rate, name, samples in (
        (8000, "phone", narrow[split]),
        (16000, first, speech[split][first][0]),
        (16000, second, speech[split][second][0]),
    ):
        samples = to_rate(to_rate(samples, RATE, rate), rate)
        for kind in ("keyboard", "fan", "babble"):
            noise = to_rate(to_rate(noises[split][kind], RATE, rate), rate)
            heard, clean = mix(samples, noise, 10)
            band = f"{rate // 1000} kHz"
            item(f"E/{rate}/{name}/{kind}", heard, clean, set="E", split=split, kind=band, snr=10, cluster=name)

    # Level of the microphone: cold, after the same passage, after noise alone. The first second is not scored.
    mixes = {}
    for name, kind in zip(speech[split], ("fan", "keyboard", "babble", "street", "fan", "keyboard")):
        noise = noises[split][kind]
        mixes[f"{name}-{kind}"] = (*mix(speech[split][name][0], noise, 10), noise)
    if split == "dev" and b_speech:
        mixes = dict(list(mixes.items())[:2])
        for name, kind in zip(sorted(b_speech) * 2, ("fan", "keyboard", "babble", "dfn")):
            noise = b_noise[kind][0]
            mixes[f"{name}-{kind}"] = (*mix(b_speech[name], noise, 10), noise)
        # Real pairs at the nominal level; the longest.
        for name in sorted(pairs, key=lambda name: -len(pairs[name][0]))[:4]:
            heard, clean = (samples * NOMINAL / np.sqrt(power(pairs[name][1])) for samples in pairs[name])
            mixes[name] = heard, clean, heard - clean
    for name, (heard, clean, noise) in mixes.items():
        heard, clean = heard[: 6 * RATE], clean[: 6 * RATE]
        alone = np.resize(noise, 3 * RATE)
        alone = alone * np.sqrt(power(heard - clean, 0) / power(alone, 0))
        for level in LEVELS:
            for start, before in (("cold", None), ("steady", "same"), ("noise", alone)):
                if start == "noise" and level not in (-55, -45, -26, -15):
                    continue
                what = {"set": "F", "split": split, "kind": start, "level": level, "cluster": name}
                gain = 10 ** ((level + 26) / 20)
                id = f"F/{name}/{level}/{start}"
                item(id, heard, clean, scores=("pesq", "sisdr"), start=1, gain=gain, before=before, **what)

    # Rooms: the wanted sound is the reverberant one.
    for number, name in enumerate(list(speech[split])[:4]):
        for t60 in (0.3, 0.6):
            wet = np.convolve(speech[split][name][0], room(f"{split}{number}{t60}", t60))[: int(SECONDS * RATE)]
            wet *= NOMINAL / np.sqrt((wet**2).mean())
            heard, clean = mix(wet, noises[split][("fan", "keyboard")[number % 2]], 10)
            item(f"G/{name}/{t60}", heard, clean, set="G", split=split, kind=f"{t60} s", snr=10, cluster=name)

    alone = {**noises[split], **({f"{k}, B": v[0] for k, v in b_noise.items()} if split == "dev" else {})}
    for kind, noise in alone.items():
        noise = np.resize(noise, 10 * RATE)
        noise = noise * (0.01 / np.sqrt((noise**2).mean()))
        item(f"H/{kind}", noise, noise, scores=("residual",), start=2, set="H", split=split, kind=kind, cluster=kind)

    for name in (("loop_garzul", "guit_em9") if split == "dev" else ("loop_compus", "loop_tabla", "ambi_glass_hum")):
        samples = to_rate(*read(f"{debian}/sonic-pi-samples/usr/share/sonic-pi/samples/{name}.flac"))
        samples = np.resize(samples, 10 * RATE)
        samples = samples * (0.1 / np.sqrt((samples**2).mean()))
        what = {"set": "I", "split": split, "kind": name, "cluster": name}
        item(f"I/{name}", samples, samples, scores=("residual", "sisdr"), start=2, **what)

with open(f"{out}/items.json", "w") as file:
    json.dump(items, file, indent=0)
