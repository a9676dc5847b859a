/** What the steps of a demo share: where it happens, what it says, and how it ends early. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElanusError } from '@elanus/core';
import { note, print, styled } from '../cli/terminal.ts';

const MARK = 'demo.txt';

/**
 * An empty folder for a demo. What an earlier demo left there is removed, and nothing else: a
 * folder with other things in it is refused.
 *
 * @throws ElanusError invalid_argument
 */
export function freshFolder(parent: string, name: string): string {
  const folder = join(parent, name);
  if (existsSync(folder)) {
    if (!existsSync(join(folder, MARK))) {
      const hint = 'It is there already, and no demo made it; choose another with --folder.';
      throw new ElanusError('invalid_argument', { argument: 'folder', got: folder, hint });
    }
    rmSync(folder, { recursive: true });
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, MARK), 'Made by `elanus demo`, which replaces this folder.\n');
  return folder;
}

/** Things to undo when a demo ends, however it ends. */
export class Curtain {
  readonly #ends: (() => Promise<void> | void)[] = [];
  #closing: Promise<void> | undefined;

  /** Runs `end` at the end; later ones first. */
  add(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  /** Ends everything, once. */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  /** True once it has begun to end. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  async #run(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }
}

/**
 * Runs a demo; Ctrl-C ends it at once: children are killed, the database is closed, what was
 * acknowledged stays.
 */
export async function onStage(run: (curtain: Curtain) => Promise<void>): Promise<void> {
  const curtain = new Curtain();
  const stop = (): void => {
    if (curtain.closing) process.exit(130);
    note('\nstopping; what was acknowledged is kept');
    const late = setTimeout(() => process.exit(130), 5_000);
    late.unref();
    void curtain.close().finally(() => process.exit(130));
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    await run(curtain);
  } catch (error) {
    // What fails because the stage is being cleared is no failure of its own.
    if (curtain.closing) await new Promise(() => undefined);
    throw error;
  } finally {
    await curtain.close();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** The headline of a step. */
export function headline(text: string): void {
  print();
  print(styled('bold', text));
}

/** One finding of a step. */
export function finding(name: string, text: string): void {
  print(`  ${name.padEnd(10)} ${text}`);
}
