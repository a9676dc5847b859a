import { isElanusError } from '@elanus/core';
import { lockFolder } from '../meta/folder-lock.ts';

/** Tries to lock a folder, says what came of it, and stays. Run by `folder-lock.test.ts`. */
try {
  lockFolder(process.argv[2] ?? '', process.pid);
  console.log('locked');
  setInterval(() => undefined, 1000);
} catch (error) {
  if (!isElanusError(error, 'folder_locked')) throw error;
  console.log(`refused ${error.details.pid}`);
}
