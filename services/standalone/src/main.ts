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
  cors: (process.env['ELANUS_CORS'] ?? '').split(/[\s,]+/).filter((origin) => origin !== ''),
};

function log(event: string, more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...more })}\n`);
}

function fail(error: unknown): void {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  log('failed', { code, message });
  process.exitCode = 1;
}

/**
 * Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. As process 1 of a
 * container we get only the signals we ask for.
 */
function signalled(): Promise<string> {
  return new Promise((resolve) => {
    let seen = false;
    const stop = (signal: string): void => {
      if (seen) process.exit(1);
      seen = true;
      log('stopping', { signal });
      resolve(signal);
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
  });
}

// Asked for before anything is opened: told to stop meanwhile, it closes the folder once open.
const stop = signalled();
try {
  const { folder, ...options } = settings;
  const server = await serve(folder, options);
  log('listening', { url: server.url, folder, pid: process.pid });
  await stop;
  await server.stop();
  log('stopped');
} catch (error) {
  fail(error);
}
