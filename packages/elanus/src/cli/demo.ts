import { defineCommand } from 'citty';
import { onStage } from '../demo/stage.ts';
import { usageError } from './failure.ts';

/** `elanus demo`: the database at work on real data. */
export const demo = defineCommand({
  meta: { name: 'demo', description: 'See it work on real data: digits, or words' },
  args: {
    data: { type: 'positional', description: 'digits or words', default: 'digits' },
    folder: { type: 'string', description: 'Where its folders go', default: './elanus-demo' },
  },
  run: async ({ args }) => {
    const { data, folder } = args;
    if (data !== 'digits' && data !== 'words') throw usageError('There are digits and words.');
    await onStage(async (curtain) => {
      if (data === 'digits') {
        const { digitsDemo } = await import('../demo/digits.ts');
        return digitsDemo(folder, curtain);
      }
      const { wordsDemo } = await import('../demo/words.ts');
      return wordsDemo(folder, curtain);
    });
  },
});
