import { count, duration, progress } from '../cli/terminal.ts';
import { finding, headline } from './stage.ts';

/** Rows to insert, in batches made when they are needed. */
export interface Load {
  readonly total: number;
  readonly batchRows: number;
  /** Inserts the rows from `first` to before `end`; resolves when they are acknowledged. */
  readonly insert: (first: number, end: number) => Promise<unknown>;
}

/** Batches on their way at once: the next is made while the last is written. */
const IN_FLIGHT = 4;

/** Inserts all rows behind a progress bar, and says how fast that was. */
export async function insertAll(load: Load): Promise<void> {
  headline('Insert, each batch on disk before it is acknowledged');
  const { total, batchRows } = load;
  const shown = progress('  inserting', total);
  const startMs = performance.now();
  const pending: Promise<void>[] = [];
  let acknowledged = 0;
  const rate = (): number => acknowledged / ((performance.now() - startMs) / 1000);
  const send = async (first: number): Promise<void> => {
    const end = Math.min(first + batchRows, total);
    await load.insert(first, end);
    acknowledged += end - first;
    shown.update(acknowledged, `${count(rate())} rows/s`);
  };
  for (let first = 0; first < total; first += batchRows) {
    const sent = send(first);
    // Awaited below; until then a failure must not count as one that nobody saw.
    sent.catch(() => undefined);
    pending.push(sent);
    if (pending.length >= IN_FLIGHT) await pending.shift();
  }
  await Promise.all(pending);
  shown.clear();
  const ms = performance.now() - startMs;
  finding('inserted', `${count(total)} rows in ${duration(ms)}: ${count(rate())} rows/s`);
}
