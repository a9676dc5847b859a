/**
 * One harm after the other to copies of a folder: each is refused when the folder is opened or
 * read, or named by the doctor, or it changes no answer; and none ever gives a wrong one. As a
 * command: `node --conditions=elanus:source test/disks/damage-sweep.ts [harms] [seed]`.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Db } from '@elanus/client';
import { localWorld } from '@elanus/runtime/local';
import { isElanusError } from 'elanus';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import { examine, repair } from '../../packages/elanus/src/doctor/doctor.ts';
import { doHarm, harmOf, kindOf, type Harm } from './damage.ts';
import { makeEveryFile, QUESTIONS, RETRY } from './every-file.ts';

/** What became of one harm. */
export interface Verdict {
  readonly seed: number;
  readonly harm: Harm;
  /** How it showed; nothing: not at all. */
  readonly refused: 'open' | 'read' | undefined;
  readonly named: boolean;
  /** The doctor mended it, and then everything was answered as before. */
  readonly mended: boolean;
  /** What must not be: wrong answers, untyped errors, a doctor who mends in vain. */
  readonly wrong: readonly string[];
}

/** What a sweep found. */
export interface SweepReport {
  readonly harms: number;
  readonly refused: number;
  readonly named: number;
  readonly mended: number;
  /** Neither refused nor named: every answer was as before. */
  readonly harmless: readonly Verdict[];
  readonly wrong: readonly Verdict[];
}

/** What is not said within it is not said at all. */
const PATIENCE_MS = 60_000;
/** Retries are recognized for 15 minutes: a folder is used for fewer harms than that takes. */
const HARMS_OF_A_FOLDER = 250;

/** An answer is JSON, or how it was refused; by its question. */
export type Answers = ReadonlyMap<string, string>;

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), PATIENCE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Errors that a damaged folder may give: anything typed but `internal`. */
function asRefusal(error: unknown): string {
  if (isElanusError(error) && error.code !== 'internal') return `refused ${error.code}`;
  return `untyped ${error instanceof Error ? error.stack : String(error)}`;
}

/** The database of a folder, all of it on this thread: starting others takes most of the time. */
async function open(folder: string): Promise<Db> {
  const world = await localWorld(folder, { pools: 'inline' });
  return connect(await startEmbedded({ world, durability: 'power', kernels: 'auto' }));
}

/** Opens and asks everything. */
async function answersOf(folder: string): Promise<Answers> {
  const answers = new Map<string, string>();
  let db: Db;
  try {
    db = await inTime(open(folder));
  } catch (error) {
    return answers.set('open', asRefusal(error));
  }
  for (const { what, ask } of [...QUESTIONS, RETRY]) {
    const answer = await inTime(ask(db)).then((found) => JSON.stringify(found, plain), asRefusal);
    answers.set(what, answer);
  }
  await db.close().catch((error: unknown) => answers.set('close', asRefusal(error)));
  return answers;
}

const isRefused = (answer: string): boolean => answer.startsWith('refused ');

function differences(found: Answers, truth: Answers): string[] {
  return [...found].flatMap(([what, answer]) => {
    if (isRefused(answer) || answer === truth.get(what)) return [];
    return [`${what}: ${answer.slice(0, 600)}`];
  });
}

/** A folder, and what it answers. */
export interface Sound {
  readonly folder: string;
  readonly truth: Answers;
}

/** Makes a folder, and asks a copy of it. */
export async function soundFolder(folder: string): Promise<Sound> {
  await makeEveryFile(folder);
  const copy = `${folder}-copy`;
  cpSync(folder, copy, { recursive: true });
  const truth = await answersOf(copy);
  rmSync(copy, { recursive: true });
  return { folder, truth };
}

/** What becomes of a copy of the folder; undefined: the harm changes nothing of it. */
export async function judge(
  { folder: whole, truth }: Sound,
  of: { readonly seed: number; readonly harm: Harm },
): Promise<Verdict | undefined> {
  const home = mkdtempSync(join(tmpdir(), 'elanus-harm-'));
  try {
    const folder = join(home, 'open');
    cpSync(whole, folder, { recursive: true });
    if (!doHarm(folder, of.harm)) return undefined;
    const patient = join(home, 'doctor');
    cpSync(folder, patient, { recursive: true });
    const found = await answersOf(folder);
    const wrong = differences(found, truth);
    const open = found.get('open') !== undefined;
    const read = [...found.values()].some(isRefused);
    const treated = await treat(patient, truth);
    const refused = open ? 'open' : read ? 'read' : undefined;
    return { ...of, refused, ...treated, wrong: [...wrong, ...treated.wrong] };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** What the doctor says; and when nothing is damaged after a repair, what the folder answers. */
async function treat(
  folder: string,
  truth: Answers,
): Promise<Pick<Verdict, 'named' | 'mended' | 'wrong'>> {
  try {
    const { damage } = await inTime(examine(folder));
    if (damage.length === 0) return { named: false, mended: false, wrong: [] };
    const after = await inTime(repair(folder));
    if (after.damage.length > 0) return { named: true, mended: false, wrong: [] };
    const found = await answersOf(folder);
    const refused = [...found.values()].filter(isRefused);
    const wrong = [...differences(found, truth), ...refused].map((one) => `once mended, ${one}`);
    return { named: true, mended: true, wrong };
  } catch (error) {
    const answer = asRefusal(error);
    const wrong = isRefused(answer) ? [] : [`the doctor: ${answer}`];
    return { named: isRefused(answer), mended: false, wrong };
  }
}

/** Does `harms` harms, from a seed on. */
export async function sweep(
  harms: number,
  seed: number,
  onVerdict: (verdict: Verdict) => void = () => undefined,
): Promise<SweepReport> {
  const home = mkdtempSync(join(tmpdir(), 'elanus-harms-'));
  const verdicts: Verdict[] = [];
  let sound: Sound | undefined;
  try {
    for (let next = seed; verdicts.length < harms; next++) {
      if (sound === undefined || (next - seed) % HARMS_OF_A_FOLDER === 0) {
        sound = await soundFolder(join(home, String(next)));
      }
      const verdict = await judge(sound, { seed: next, harm: harmOf(sound.folder, next) });
      if (verdict === undefined) continue;
      onVerdict(verdict);
      verdicts.push(verdict);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  const isShown = ({ refused, named }: Verdict): boolean => refused !== undefined || named;
  return {
    harms: verdicts.length,
    refused: verdicts.filter(({ refused }) => refused !== undefined).length,
    named: verdicts.filter(({ named }) => named).length,
    mended: verdicts.filter(({ mended }) => mended).length,
    harmless: verdicts.filter((verdict) => !isShown(verdict) && verdict.wrong.length === 0),
    wrong: verdicts.filter(({ wrong }) => wrong.length > 0),
  };
}

/** A line for people. */
export function told({ seed, harm, refused, named, mended, wrong }: Verdict): string {
  const { file, how, at, by } = harm;
  const place = harm.with === undefined ? `at ${at} by ${by}` : `with ${harm.with}`;
  const shown = [refused, named ? 'named' : undefined, mended ? 'mended' : undefined];
  const signs = shown.filter((one) => one !== undefined).join(', ') || 'HARMLESS';
  return `seed ${seed}: ${file} ${how} ${place}: ${[signs, ...wrong].join('\n  WRONG ')}`;
}

if (process.argv[1] === import.meta.filename) {
  const [harms = '2000', seed = '1'] = process.argv.slice(2);
  const report = await sweep(Number(harms), Number(seed), (verdict) => {
    const quiet = verdict.wrong.length === 0 && (verdict.refused !== undefined || verdict.named);
    if (!quiet || process.env['ELANUS_SWEEP_ALL'] !== undefined) console.log(told(verdict));
  });
  const { refused, named, mended, harmless, wrong } = report;
  const kinds = new Map<string, number>();
  for (const { harm } of harmless) {
    const kind = kindOf(harm.file);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  console.log(
    `${report.harms} harms: ${refused} refused, ${named} named by the doctor, ${mended} mended; ` +
      `${harmless.length} changed no answer ${JSON.stringify(Object.fromEntries(kinds))}; ` +
      `${wrong.length} wrong`,
  );
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
