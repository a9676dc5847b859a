import { ElanusError, type LogStore } from '@elanus/core';
import { replay } from '@elanus/streaming-node';
import type { Catalog } from './check-metadata.ts';
import type { Checked, Findings } from './findings.ts';

const CURE =
  'Rows of flushed segments are whole; those that are only in the log from here on are lost: ' +
  'restore it from a backup.';

/** Reads every record of the log, and follows its chain of hashes. */
export async function checkLog(
  logs: LogStore,
  catalog: Catalog | undefined,
  findings: Findings,
): Promise<void> {
  const of = (what: string): Checked => ({ part: 'log', what, cure: CURE });
  const found = await findings.try(of('log'), () => logs.list());
  // One that is gone as a whole ends before its first record.
  for (const name of new Set([...(found ?? []), ...(catalog?.logs.keys() ?? [])])) {
    await findings.try(of(`log/${name}`), () => checkStream(logs, name, { catalog, findings }));
  }
}

interface Expected {
  readonly catalog: Catalog | undefined;
  readonly findings: Findings;
}

async function checkStream(logs: LogStore, name: string, expected: Expected): Promise<void> {
  const { catalog, findings } = expected;
  const stream = await logs.open(name);
  try {
    const { firstSeq, lastSeq } = await stream.span();
    const log = catalog?.logs.get(name);
    const reached = (catalog?.checkpoints ?? []).map(({ seq }) => seq - 1);
    const expectedSeq = Math.max(log?.lastSeq ?? 0, ...reached);
    if (lastSeq < expectedSeq) throw new ElanusError('log_regressed', { expectedSeq, lastSeq });
    if (log !== undefined && firstSeq > log.firstSeq) {
      throw new ElanusError('log_truncated', { fromSeq: log.firstSeq, firstSeq });
    }
    if (lastSeq < firstSeq) return;
    const next = log?.firstSeq === firstSeq ? log.next : undefined;
    const range = { fromSeq: firstSeq, toSeq: lastSeq, next };
    const end = await replay(stream, range, () => undefined);
    findings.records += end.records;
    findings.logBytes += end.bytes;
    if (end.incomplete > 0) {
      findings.notes.push(`${end.incomplete} records of writes that were never acknowledged`);
    }
  } finally {
    await stream.close();
  }
}
