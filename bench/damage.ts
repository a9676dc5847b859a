import { sweep } from '../test/disks/damage-sweep.ts';
import type { Bench } from './bench.ts';

/** Files of every kind, damaged; see `test/disks/damage-sweep.ts`. */
export const bench: Bench = {
  what: 'bytes flipped, files cut, removed and swapped, 2,000 times',
  seconds: 1_800,
  run: async () => {
    const harms = Number(process.env['ELANUS_BENCH_HARMS'] ?? 2_000);
    const report = await sweep(harms, 1);
    // Bytes that mean nothing: free space of the metadata, and a mark that is gone.
    const unseen = report.harmless.filter(({ harm }) => !harm.file.startsWith('meta.db'));
    return [
      { what: 'harms', measured: report.harms, unit: '', atLeast: 2_000 },
      { what: 'refused when opened or read', measured: report.refused, unit: '' },
      { what: 'named by the doctor', measured: report.named, unit: '' },
      { what: 'mended by the doctor', measured: report.mended, unit: '' },
      { what: 'in bytes that mean nothing', measured: report.harmless.length, unit: '' },
      {
        what: 'of these, not in free space of the metadata',
        measured: unseen.length,
        unit: '',
        atMost: 0,
      },
      { what: 'wrong answers', measured: report.wrong.length, unit: '', atMost: 0 },
    ];
  },
};
