/**
 * The server as a service: one process, one folder. Settings come from the environment; standard
 * output carries one JSON line for each change of state. `elanus serve` is the same for people.
 */
import { serve } from 'elanus';

const settings = {
  folder: process.env['ELANUS_FOLDER'] ?? './data',
  host: process.env['ELANUS_HOST'] ?? '127.0.0.1',
  port: Number(process.env['ELANUS_PORT'] ?? 19_530),
  token: process.env['ELANUS_TOKEN'],
};

function log(event: string, more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...more })}\n`);
}

try {
  const { folder, host, port, token } = settings;
  const server = await serve(folder, { host, port, token });
  log('listening', { url: server.url, folder, pid: process.pid });
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log('stopping', { signal });
    server.stop().then(
      () => log('stopped'),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
} catch (error) {
  fail(error);
}

function fail(error: unknown): void {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  log('failed', { code, message });
  process.exitCode = 1;
}
