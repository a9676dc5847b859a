/**
 * The candidate that a misspelt word most likely stands for: the nearest, case aside, up to a third
 * of its letters away; undefined when none is near. The first of equals wins. Only the first 64
 * letters count, which bounds the cost to some 4,000 steps a candidate.
 */
export function nearestName(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.slice(0, 64).toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.slice(0, 64).toLowerCase());
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** `Did you mean ...?` as the hint of an error, or nothing when no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const name = nearestName(word, candidates);
  return name === undefined ? undefined : `Did you mean \`${name}\`?`;
}

/** Edits between two words: change, add, drop, or swap two neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : change;
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, change, swap));
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
