import { defineCommand } from 'citty';
import { writeForEver } from '../demo/crash.ts';

/** The child of `elanus demo` that is killed while it writes. */
export const demoWriter = defineCommand({
  meta: { name: 'demo-writer', hidden: true },
  args: { folder: { type: 'positional', required: true } },
  run: ({ args }) => writeForEver(args.folder),
});
