import { checkSlot, DIM_MAX, floats, memory, need, numberRows, whole, words } from './check.ts';
import { rabitqBits, rabitqSigns } from './rabitq.ts';
import type { EncodeRabitq, RabitqView, RotateQueries, ScanRabitq } from './rabitq.ts';

/** The checks of the arguments of the 1-bit codes: see check.ts. */

const ROW_MAX = 0xffffffff;

/** Views that were found sound: they are read-only, and a search passes the same one each time. */
const sound = new WeakSet<RabitqView>();

function checkView(view: RabitqView): void {
  if (typeof view !== 'object' || view === null) throw new TypeError('view: expected a view');
  if (sound.has(view)) return;
  const { rowCount, lists, dim } = view;
  whole(rowCount, ROW_MAX, 'view.rowCount');
  whole(lists, ROW_MAX, 'view.lists');
  whole(dim, DIM_MAX, 'view.dim');
  need(dim >= 1, 'view.dim: out of range');
  const parts = [
    ['codes', (rowCount * rabitqBits(dim)) / 8],
    ['factors', rowCount * 8],
    ['rows', rowCount * 4],
    ['starts', (lists + 1) * 4],
    ['centroids', lists * rabitqBits(dim) * 4],
    ['signs', rabitqSigns(dim) * 4],
  ] as const;
  for (const [name, bytes] of parts) {
    const at = view[name];
    whole(at, Number.MAX_SAFE_INTEGER, `view.${name}`);
    need(at % 4 === 0, `view.${name}: expected a multiple of 4`);
    memory(view.memory, at + bytes, `view.${name}`);
  }
  sound.add(view);
}

/** Checks queries that are to be rotated. @throws TypeError | RangeError */
export function checkRotate({ view, queries, out }: RotateQueries): void {
  checkView(view);
  floats(queries, 0, 'queries');
  need(queries.length % view.dim === 0, 'queries: expected a multiple of dim');
  floats(out, (queries.length / view.dim) * rabitqBits(view.dim), 'out');
}

/** Checks rows that are to be encoded. @throws TypeError | RangeError */
export function checkEncodeRabitq(args: EncodeRabitq): void {
  const { view, from, to, inverseNorms } = args;
  checkView(view);
  if (!['l2', 'ip', 'cosine'].includes(args.metric)) throw new TypeError('metric: unknown');
  numberRows({ dim: view.dim, element: args.element, rows: args.rows }, view.rowCount);
  if (inverseNorms !== undefined) floats(inverseNorms, view.rowCount, 'inverseNorms');
  whole(args.list, ROW_MAX, 'list');
  need(args.list < view.lists, 'list: there is none of this number');
  whole(to, view.rowCount, 'to');
  whole(from, to, 'from');
}

/** Checks a scan of lists. @throws TypeError | RangeError */
export function checkScanRabitq(args: ScanRabitq): void {
  const { view, query, allowed } = args;
  checkView(view);
  floats(query, 1, 'query');
  need(query.length === rabitqBits(view.dim), 'query: expected a rotated one');
  words(args.lists, 0, 'lists');
  words(args.state, 2, 'state');
  if (allowed !== undefined) words(allowed, Math.ceil(view.rowCount / 32), 'allowed');
  checkSlot(args.top, args.slot);
}
