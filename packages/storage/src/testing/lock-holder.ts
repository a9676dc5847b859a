import { isElanusError } from '@elanus/core';
import { lockFolder } from '../meta/folder-lock.ts';

/**
 * Tries to lock a folder, says what came of it, and stays for 20 s. Run by `folder-lock.test.ts`.
 */
try {
  lockFolder(process.argv[2] ?? '', process.pid);
  // What nobody refers to may be collected: the lock has to outlive that.
  globalThis.gc?.();
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  console.log('locked');
  setTimeout(() => undefined, 20_000);
} catch (error) {
  if (!isElanusError(error, 'folder_locked')) throw error;
  console.log(`refused ${error.details.pid}`);
}
