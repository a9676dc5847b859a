import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpTransport } from '../../packages/client/src/http.ts';
import { connect } from '../../packages/client/src/index.ts';
import { openDatabase } from '../../packages/elanus/src/open.ts';
import { serve } from '../../packages/elanus/src/serve.ts';
import { clientIndexSuite } from './client-index-suite.ts';
import type { ClientSubject } from './client-kit.ts';
import { clientLifeSuite } from './client-life-suite.ts';
import { clientRowsSuite } from './client-rows-suite.ts';
import { clientSuite } from './client-suite.ts';
import { clientVectorsSuite } from './client-vectors-suite.ts';

/** A database in memory; further clients stand on the same one. */
async function openMemory(): Promise<ClientSubject> {
  const database = await openDatabase(':memory:');
  return {
    db: connect(database),
    again: async (options) => connect({ ...database, close: async () => undefined }, options),
    close: () => database.close(),
  };
}

/** A database in a fresh folder; further clients open the folder again. */
async function openFolder(): Promise<ClientSubject> {
  const folder = await mkdtemp(join(tmpdir(), 'elanus-client-'));
  const database = await openDatabase(folder, { durability: 'process' });
  return {
    db: connect(database),
    again: async (options) =>
      connect(await openDatabase(folder, { durability: 'process' }), options),
    close: async () => {
      await database.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** A server behind a token, on a port of its own. */
async function openServer(): Promise<ClientSubject> {
  const server = await serve(':memory:', { port: 0, token: 'secret' });
  const client = (): ReturnType<typeof httpTransport> =>
    httpTransport(server.url, { token: 'secret' });
  return {
    db: connect(client()),
    again: async (options) => connect(client(), options),
    close: () => server.stop(),
  };
}

clientSuite(':memory:', openMemory);
clientIndexSuite(':memory:', openMemory);
clientLifeSuite(':memory:', openMemory);
clientRowsSuite(':memory:', openMemory);
clientVectorsSuite(':memory:', openMemory);
clientSuite('a folder', openFolder);
clientIndexSuite('a folder', openFolder);
clientLifeSuite('a folder', openFolder);
clientRowsSuite('a folder', openFolder);
clientVectorsSuite('a folder', openFolder);
clientSuite('a server', openServer);
clientIndexSuite('a server', openServer);
clientLifeSuite('a server', openServer);
clientRowsSuite('a server', openServer);
clientVectorsSuite('a server', openServer);
