// The part of Open_vSwitch that both clients of test/bench/ovsdb.ts replicate; ovsdb-client.py names the same columns.
import { OpenVSwitch, pick } from '../../ovsdb/index.ts'

export const Db = pick(OpenVSwitch, {
  Bridge: ['name', 'ports'],
  Port: ['name', 'interfaces', 'tag', 'external_ids'],
  Interface: ['name', 'type', 'options', 'external_ids'],
})
