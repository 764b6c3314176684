// What ./bench denoise-quality prints of its scores.
import { bootstrap, mean } from './statistics.mjs';

const kColumns = [
  ['pesq', 'PESQ', 2],
  ['stoi', 'STOI', 3],
  ['estoi', 'ESTOI', 3],
  ['sisdr', 'SI-SDR', 1],
  ['sig', 'SIG', 2],
  ['bak', 'BAK', 2],
  ['ovrl', 'OVRL', 2],
  ['hf', '>8.5 kHz', 1],
  ['onset', 'onset', 1],
];
const kRanked = ['pesq', 'stoi', 'estoi', 'sisdr', 'sig', 'bak', 'ovrl'];
const kTitles = {
  A: 'A: VoiceBank-DEMAND pairs (16 kHz)',
  B: 'B: mixes at 48 kHz, -5 to 20 dB, speech and noise of the shared folder',
  R: 'R: mixes at 48 kHz, -5 to 20 dB, speech and noise out of Debian packages',
  C: 'C: clean speech, which must stay as it is',
  E: 'E: band-limited microphones (8 and 16 kHz), 10 dB',
  G: 'G: rooms (0.3 and 0.6 s), 10 dB',
};
const kNominal = -26;

function text(value, digits, sign = false) {
  if (value === undefined || Number.isNaN(value)) return '';
  const rounded = value.toFixed(digits);
  return sign && !rounded.startsWith('-') ? `+${rounded}` : rounded;
}

export function table(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [line(head), ...rows.map(line)].join('\n');
}

/** Of one set: `scores(system, item)`; systems without all of the items are left out. */
export function report({ items, systems, scores, out = console.log }) {
  const data = {};
  const complete = (list) => systems.filter(({ name }) => list.every((item) => scores(name, item)));
  const values = (name, list, column) =>
    list.map((item) => scores(name, item)?.[column]).filter((value) => value !== undefined && value !== null);
  const average = (name, list, column) => {
    const found = values(name, list, column);
    return found.length > 0 ? mean(found) : undefined;
  };

  function setTable(title, list, key) {
    const columns = kColumns.filter(([column]) => values('noisy', list, column).length > 0);
    const shown = complete(list);
    const rows = shown.map(({ name, label }) => [
      label,
      ...columns.map(([column, , digits]) => text(average(name, list, column), digits, column === 'hf')),
    ]);
    out(`\n${title} (${list.length} items)`);
    data[key] = Object.fromEntries(
      shown.map(({ name }) => [
        name,
        Object.fromEntries(columns.map(([column]) => [column, average(name, list, column)])),
      ]),
    );
    for (const mine of shown.filter(({ ours }) => ours)) {
      const peers = shown.filter(({ ours, name }) => !ours && name !== 'noisy');
      if (peers.length === 0) continue;
      const difference = ['  minus the best of them'];
      const interval = ['  95 % interval'];
      const whose = ['  which is'];
      for (const [column, , digits] of columns) {
        if (!kRanked.includes(column)) {
          for (const row of [difference, interval, whose]) row.push('');
          continue;
        }
        const best = peers.reduce((a, b) => (average(b.name, list, column) > average(a.name, list, column) ? b : a));
        const pairs = list
          .map((item) => ({
            cluster: item.cluster,
            mine: scores(mine.name, item)[column],
            theirs: scores(best.name, item)[column],
          }))
          .filter(({ mine, theirs }) => mine != null && theirs != null);
        const found = bootstrap(pairs.map(({ cluster, mine, theirs }) => ({ cluster, value: mine - theirs })));
        difference.push(text(found.mean, digits, true));
        interval.push(`${text(found.low, digits, true)} ${text(found.high, digits, true)}`);
        whose.push(best.name);
        data[key][mine.name][`${column}-best`] = { ...found, peer: best.name };
      }
      const at = rows.findIndex(([label]) => label === mine.label);
      rows.splice(at + 1, 0, difference, interval, whose);
    }
    out(table(['', ...columns.map(([, head]) => head)], rows));
  }

  // One small table for each score.
  function grid(title, list, by, columns, key, order) {
    const groups = [...new Set(list.map(by))].sort(order);
    const shown = complete(list);
    data[key] = {};
    for (const [column, head, digits] of columns) {
      out(`\n${title}: ${head}`);
      const rows = shown.map(({ name, label }) => [
        label,
        ...groups.map((group) => {
          const part = list.filter((item) => by(item) === group);
          const found = average(name, part, column);
          data[key][`${name} ${group} ${column}`] = found;
          return text(found, digits);
        }),
      ]);
      out(table(['', ...groups.map(String)], rows));
    }
  }

  const pick = (...names) => kColumns.filter(([column]) => names.includes(column));
  for (const set of Object.keys(kTitles)) {
    for (const split of ['dev', 'test']) {
      const list = items.filter((item) => item.set === set && item.split === split);
      if (list.length === 0) continue;
      setTable(`${kTitles[set]}, ${split}`, list, `${set} ${split}`);
      if (set === 'B' || set === 'R') {
        grid(
          `${set} ${split}, kinds of noise`,
          list,
          ({ kind }) => kind,
          pick('pesq', 'stoi', 'sisdr', 'sig', 'bak', 'ovrl'),
          `${set} ${split} kinds`,
        );
        grid(
          `${set} ${split}, signal-to-noise ratio`,
          list,
          ({ snr }) => snr,
          pick('pesq', 'stoi', 'ovrl'),
          `${set} ${split} ratios`,
          (a, b) => a - b,
        );
      } else if (set !== 'A')
        grid(
          `${set} ${split}, kinds`,
          list,
          ({ kind }) => kind,
          pick('pesq', 'stoi', 'sisdr', 'ovrl'),
          `${set} ${split} kinds`,
        );
    }
  }

  const starts = {
    cold: 'from a cold start',
    steady: 'after the same passage once',
    noise: 'after 3 s of the noise alone',
  };
  for (const split of ['dev', 'test']) {
    const all = items.filter((item) => item.set === 'F' && item.split === split);
    for (const [kind, title] of Object.entries(starts)) {
      const list = all.filter((item) => item.kind === kind);
      if (list.length === 0) continue;
      const nominal = all.filter((item) => item.kind === 'steady' && item.level === kNominal);
      const levels = [...new Set(list.map(({ level }) => level))].sort((a, b) => a - b);
      const key = `F ${split} ${kind}`;
      data[key] = {};
      out(`\nF ${split}: PESQ by level of the microphone (dBFS) ${title}, from 1 s on, against nominal and warm`);
      const rows = complete([...list, ...nominal]).map(({ name, label }) => {
        const reference = average(name, nominal, 'pesq');
        return [
          label,
          text(reference, 2),
          ...levels.map((level) => {
            const found = average(
              name,
              list.filter((item) => item.level === level),
              'pesq',
            );
            data[key][`${name} ${level}`] = found - reference;
            return text(found - reference, 2, true);
          }),
        ];
      });
      out(table(['', `${kNominal}, warm`, ...levels.map(String)], rows));
    }
  }

  for (const split of ['dev', 'test']) {
    const alone = items.filter((item) => item.set === 'H' && item.split === split);
    if (alone.length > 0)
      grid(
        `H ${split}: noise alone, what is left of it after 2 s (dB)`,
        alone,
        ({ kind }) => kind,
        [['residual', 'dB', 0]],
        `H ${split}`,
      );
    const music = items.filter((item) => item.set === 'I' && item.split === split);
    if (music.length > 0)
      grid(
        `I ${split}: music with suppression on (ours has "original sound", which changes nothing)`,
        music,
        ({ kind }) => kind,
        [
          ['residual', 'level dB', 1],
          ['sisdr', 'SI-SDR', 1],
        ],
        `I ${split}`,
      );
  }
  return data;
}
