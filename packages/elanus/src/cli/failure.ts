import { isElanusError } from '@elanus/core';
import { note, styled } from './terminal.ts';

/** Exit codes: something went wrong, the command line cannot be used, stopped by Ctrl-C. */
export const EXIT = { failure: 1, usage: 2, interrupted: 130 } as const;

const USAGE = Symbol('usage');

/** A command line that cannot be used: exit code 2. */
export function usageError(message: string): Error {
  return Object.assign(new Error(message), { [USAGE]: true });
}

function isUsage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return USAGE in error || error.name === 'CLIError';
}

/** Says what went wrong in one line, without a stack, and what the process ends with. */
export function report(error: unknown, command: string): number {
  if (isUsage(error)) {
    note(
      `${styled('red', 'error', process.stderr)} ${textOf(error)} Try \`elanus ${command}--help\`.`,
    );
    return EXIT.usage;
  }
  note(`${styled('red', 'error', process.stderr)} ${textOf(error)}`);
  return EXIT.failure;
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replace(/\s*\n\s*/g, ' ');
  if (isElanusError(error)) return `${line} (${error.code})`;
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
