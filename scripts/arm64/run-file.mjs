// Runs one file of tests on the Node that runs this: `node run-file.mjs <file>`.
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const brief = new URL('./vitest-in-brief.mjs', import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'vitest' ? { url: brief, shortCircuit: true } : next(specifier, context),
});
await import(pathToFileURL(process.argv[2]).href);
const { runTests } = await import(brief);
const { passed, failed } = await runTests();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
