import { ElanusError } from '@elanus/core';
import { metaKeys, type ChannelRecord, type ChannelTerm } from '@elanus/protocol';
import type { MetaAccess } from './meta-access.ts';

/**
 * Whether who has answered owned the channel then: a former owner may not know yet that it is one.
 * An owner of later finds what it was told in the metadata.
 *
 * @throws ElanusError channel_moved
 */
export async function mustOwn(meta: MetaAccess, { pchannel, term }: ChannelTerm): Promise<void> {
  const held = await meta.get<ChannelRecord>(metaKeys.channel(pchannel));
  const owned = held?.record.term ?? term;
  if (owned !== term) throw new ElanusError('channel_moved', { vchannel: pchannel, term: owned });
}
