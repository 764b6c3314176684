/**
 * How loud a stream is: for the level in the lobby and for "is speaking". One audio context for the page, created from a
 * click. Where there is no sound hardware a context never runs; then levels are 0.
 */
let context: AudioContext | undefined;

/** Call from a click. */
export function wakeAudio(): void {
  try {
    context ??= new AudioContext();
    if (context.state === 'suspended') void context.resume().catch(() => {});
  } catch {
    context = undefined;
  }
}

export class LevelMeter {
  readonly #source: MediaStreamAudioSourceNode | undefined;
  readonly #analyser: AnalyserNode | undefined;
  readonly #samples = new Float32Array(512);

  constructor(readonly stream: MediaStream) {
    if (!context || stream.getAudioTracks().length === 0) return;
    this.#source = context.createMediaStreamSource(stream);
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = this.#samples.length;
    this.#source.connect(this.#analyser);
  }

  /** 0 to 1, roughly as loudness is felt: -60 dB and less is 0. */
  level(): number {
    if (!this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    const decibels = 10 * Math.log10(sum / this.#samples.length + 1e-12);
    return Math.min(1, Math.max(0, (decibels + 60) / 50));
  }

  close(): void {
    this.#source?.disconnect();
  }
}

/** A short, soft tone through the chosen speaker. */
export async function playTestSound(sinkId: string): Promise<void> {
  wakeAudio();
  if (!context) return;
  const destination = context.createMediaStreamDestination();
  const gain = context.createGain();
  const now = context.currentTime;
  for (const [i, frequency] of [523, 659, 784].entries()) {
    const tone = context.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(now + i * 0.16);
    tone.stop(now + i * 0.16 + 0.3);
  }
  gain.gain.setValueAtTime(0, now);
  gain.gain.linearRampToValueAtTime(0.2, now + 0.05);
  gain.gain.setValueAtTime(0.2, now + 0.5);
  gain.gain.linearRampToValueAtTime(0, now + 0.65);
  gain.connect(destination);
  const element = new Audio();
  element.srcObject = destination.stream;
  if (sinkId !== '' && 'setSinkId' in element) await element.setSinkId(sinkId).catch(() => {});
  await element.play().catch(() => {});
  setTimeout(() => {
    element.pause();
    element.srcObject = null;
  }, 1000);
}
