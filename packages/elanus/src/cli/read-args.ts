import { expr } from '@elanus/client';
import { usageError } from './failure.ts';

/** Arguments of commands that read rows. */
export const readArgs = {
  filter: {
    type: 'string',
    description: 'Which rows: year >= 2020 and name like "item%"',
    valueHint: 'text',
  },
  select: { type: 'string', description: 'Fields to show, with commas', valueHint: 'a,b' },
} as const;

/** What `readArgs` held. */
export interface ReadArgs {
  readonly filter?: string | undefined;
  readonly select?: string | undefined;
}

/** Options of a read from its arguments; types are those of an untyped collection. */
export function readOptions(args: ReadArgs): Record<string, unknown> {
  return {
    ...(args.filter === undefined ? {} : { filter: expr(args.filter) }),
    ...(args.select === undefined ? {} : { select: listOf(args.select) }),
  };
}

/** The words between commas. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** A whole number from the command line. @throws usage */
export function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usageError(`--${name} takes a whole number, not \`${text}\`.`);
}

/** A number from the command line. @throws usage */
export function anyNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw usageError(`--${name} takes a number, not \`${text}\`.`);
}
