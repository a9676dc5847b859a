import { defineCommand } from 'citty';
import { EXIT } from './failure.ts';
import { jsonLine } from './json-value.ts';
import { bytes, count, print, progress, styled } from './terminal.ts';

/** `elanus doctor`: checks everything at rest, and changes nothing. */
export const doctor = defineCommand({
  meta: { name: 'doctor', description: 'Check every byte at rest; changes nothing' },
  args: {
    folder: { type: 'positional', description: 'Folder', default: './data' },
    json: { type: 'boolean', description: 'Print JSON', default: false },
  },
  run: async ({ args }) => {
    const { examine } = await import('../doctor/doctor.ts');
    const shown = progress('checking', undefined);
    const report = await examine(args.folder, {
      onProgress: (done) => shown.update(done.objects, `objects, ${bytes(done.bytes)}`),
    });
    shown.clear();
    if (report.damage.length > 0) process.exitCode = EXIT.failure;
    if (args.json) return print(jsonLine(report));
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
    else print(`${report.damage.length} damaged`);
  },
});
