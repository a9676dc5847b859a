/** `--scenario fault-at-n`: runs aims, tells what came of them, and how to see one again. */
import { allAims, MODES, PORTS, runAimed, type Aim } from './fault-at-n.ts';
import { violating, virtually } from './real-time.ts';

/** Which aims; all of a script where nothing is said. */
export interface AimChoice {
  readonly port: string | undefined;
  readonly mode: string | undefined;
  readonly n: string | undefined;
  /** `2/3`: of three parts the second. */
  readonly part: string | undefined;
}

/** Runs the aims of a choice; returns how many violations there were. */
export async function runAims(choice: AimChoice): Promise<number> {
  const aims = chosen(await virtually(allAims, () => undefined), choice);
  const began = performance.now();
  const ports = new Map<string, number>();
  let bad = 0;
  let events = 0;
  for (const aim of aims) {
    const { port, mode, n } = aim;
    ports.set(port, (ports.get(port) ?? 0) + 1);
    const result = await violating(() => runAimed(aim));
    events += result.events;
    for (const { invariant, what } of result.violations.slice(0, 3)) {
      console.log(
        `port=${port} n=${n} mode=${mode} scenario=fault-at-n invariant="${invariant}" ${what}`,
      );
      console.log(`replay: pnpm sim --scenario fault-at-n --port ${port} --n ${n} --mode ${mode}`);
      bad++;
    }
  }
  const seconds = ((performance.now() - began) / 1e3).toFixed(0);
  const each = [...ports].map(([port, count]) => `${port} ${count}`).join(', ');
  console.log(
    `fault-at-n: ${aims.length} calls struck (${each}), ${events} events, ${seconds} s, ` +
      `${bad} violations`,
  );
  return bad;
}

/** @throws Error for a port or mode that is none */
function chosen(aims: readonly Aim[], { port, mode, n, part }: AimChoice): readonly Aim[] {
  const known: readonly string[] = [...Object.keys(PORTS), ...MODES];
  for (const word of [port, mode]) {
    if (word !== undefined && !known.includes(word)) throw new Error(`${word}: ${known.join(' ')}`);
  }
  const [which = 1, parts = 1] = part?.split('/').map(Number) ?? [];
  return aims
    .filter((aim) => port === undefined || aim.port === port)
    .filter((aim) => mode === undefined || aim.mode === mode)
    .filter((aim) => n === undefined || aim.n === Number(n))
    .filter((_, i) => i % parts === which - 1);
}
