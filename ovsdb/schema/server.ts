// The _Server database that every ovsdb-server since OVS 2.9 has about itself (ovsdb-server(5)).
import { boolean, integer, oneOf, optional, scalar, string, uuid } from './column.ts'
import { database } from './database.ts'

export const ServerDatabase = database('_Server', {
  Database: {
    name: scalar(string),
    model: scalar(oneOf('standalone', 'clustered', 'relay')),
    connected: scalar(boolean),
    leader: scalar(boolean),
    schema: optional(string),
    cid: optional(uuid),
    sid: optional(uuid),
    index: optional(integer),
  },
})
