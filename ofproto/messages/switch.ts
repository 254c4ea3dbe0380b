// What a controller asks a switch as a whole: features, configuration, barriers, table configuration.
import { errorCodes } from '../wire/errors.ts'
import { pad, u16, u32, u64, u8 } from '../wire/struct.ts'
import { checked, message } from './frame.ts'

export const capabilities = {
  flowStats: 1 << 0,
  tableStats: 1 << 1,
  portStats: 1 << 2,
  groupStats: 1 << 3,
  ipReassembly: 1 << 5,
  queueStats: 1 << 6,
  portBlocked: 1 << 8,
} as const

export const featuresRequest = message('features_request', 5, {})
export const featuresReply = message('features_reply', 6, {
  datapath: u64,
  buffers: u32,
  tables: u8,
  auxiliary: u8,
  pad: pad(2),
  capabilities: u32,
  reserved: u32,
})

const FRAGMENT_MASK = 3
const switchConfig = { flags: u16, missSendLength: u16 }

export const getConfigRequest = message('get_config_request', 7, {})
export const getConfigReply = message('get_config_reply', 8, switchConfig)
export const setConfig = checked(message('set_config', 9, switchConfig), ({ flags }, r) => {
  if ((flags & ~FRAGMENT_MASK) !== 0) r.fail(errorCodes.badSwitchFlags, `flags ${flags}`)
})

export const tableMod = message('table_mod', 17, { table: u8, pad: pad(3), config: u32 })

export const barrierRequest = message('barrier_request', 20, {})
export const barrierReply = message('barrier_reply', 21, {})
