import { defineCommand } from 'citty';
import { parseWords } from '../demo/word-vectors.ts';

/** The child of `elanus demo words` that parses the words. */
export const demoParser = defineCommand({
  meta: { name: 'demo-parser', hidden: true },
  args: { folder: { type: 'positional', required: true } },
  run: ({ args }) => parseWords(args.folder),
});
