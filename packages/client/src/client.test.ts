import { connect } from './db.ts';
import { referenceDatabase } from '../../../test/client/reference.ts';
import { clientRowsSuite } from '../../../test/conformance/client-rows-suite.ts';
import { clientSuite } from '../../../test/conformance/client-suite.ts';
import type { ClientSubject } from '../../../test/conformance/client-kit.ts';

async function openReference(): Promise<ClientSubject> {
  const database = referenceDatabase();
  return {
    db: connect(database),
    again: async (options) => connect(database, options),
    close: () => database.close(),
  };
}

clientSuite('a reference database', openReference);
clientRowsSuite('a reference database', openReference);
