import { defineCommand } from 'citty';
import type { Examined } from '../doctor/findings.ts';
import { EXIT } from './failure.ts';
import { jsonLine } from './json-value.ts';
import { bytes, count, print, progress, styled } from './terminal.ts';

/** `elanus doctor`: checks everything at rest; changes nothing unless it is asked to repair. */
export const doctor = defineCommand({
  meta: { name: 'doctor', description: 'Check every byte at rest' },
  args: {
    folder: { type: 'positional', description: 'Folder', default: './data' },
    repair: {
      type: 'boolean',
      description: 'Make anew what can be: indexes, keys, statistics; rows are never touched',
      default: false,
    },
    json: { type: 'boolean', description: 'Print JSON', default: false },
  },
  run: async ({ args }) => {
    const { examine, repair } = await import('../doctor/doctor.ts');
    const shown = progress('checking', undefined);
    const options = {
      onProgress: (done: Examined) => shown.update(done.objects, `objects, ${bytes(done.bytes)}`),
    };
    const report = args.repair
      ? await repair(args.folder, options)
      : { ...(await examine(args.folder, options)), repairs: [] };
    shown.clear();
    if (report.damage.length > 0) process.exitCode = EXIT.failure;
    if (args.json) return print(jsonLine(report));
    for (const { what, how } of report.repairs) {
      print(`${styled('green', 'repaired')}   ${what}: ${how}`);
    }
    const { objects, objectBytes, segments, records, logBytes, collections } = report;
    print(`metadata   ${count(collections)} collections, ${count(segments)} segments`);
    print(`objects    ${count(objects)} checked, ${bytes(objectBytes)}`);
    print(`log        ${count(records)} records checked, ${bytes(logBytes)}`);
    for (const line of report.notes) print(`note       ${line}`);
    for (const { what, why, cure } of report.damage) {
      print(`${styled('red', 'damaged')}    ${what}: ${why}`);
      print(`           ${cure}`);
    }
    if (report.damage.length === 0) print(styled('green', 'sound'));
    else print(`${report.damage.length} damaged${args.repair ? ', and not repaired' : ''}`);
  },
});
