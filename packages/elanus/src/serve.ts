import { ElanusError } from '@elanus/core';
import { openDatabase } from './open.ts';
import { VERSION } from './version.ts';

/** How to serve. */
export interface ServeOptions {
  /** Default 127.0.0.1. Any address beyond this machine needs a token. */
  readonly host?: string | undefined;
  /** Default 19530; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Bearer token that callers must show. */
  readonly token?: string | undefined;
  /**
   * Origins of web pages that may call, as in `https://app.example`; `*` = every one, with a token
   * only. Default none: browsers then keep answers from pages of other origins.
   */
  readonly cors?: readonly string[] | undefined;
  /** What an acknowledged write survives: power loss (default), or the end of the process only. */
  readonly durability?: 'power' | 'process' | undefined;
}

/** A database being served. */
export interface Server {
  /** What clients pass to `elanus(url, { token })`. */
  readonly url: string;
  readonly port: number;
  /** Takes no new calls, lets those under way finish, then closes the database. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Serves a folder, or `':memory:'`, over HTTP: one process, one folder, many clients.
 *
 * @throws ElanusError insecure_bind, invalid_argument (address in use, `cors` that is no origin),
 * and what opening throws
 */
export async function serve(where: string, options: ServeOptions = {}): Promise<Server> {
  if (/^[a-z]+:\/\//.test(where)) {
    const hint = "Serve a folder, or ':memory:'.";
    throw new ElanusError('invalid_argument', { argument: 'where', got: where, hint });
  }
  const { host, port, token, cors, durability } = options;
  const { checkHttpOptions, startHttpServer } = await import('@elanus/proxy/http');
  const { randomUUID } = await import('node:crypto');
  checkHttpOptions({ host, token, cors });
  const database = await openDatabase(where, { durability });
  try {
    const server = await startHttpServer({
      database,
      newKey: randomUUID,
      version: VERSION,
      host,
      port,
      token,
      cors,
    });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await server.stop();
      await database.close();
    };
    return {
      url: server.url,
      port: server.port,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
