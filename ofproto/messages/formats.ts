// How ovs-ofctl names each message, and which lengths OVS accepts for it before it looks inside (ofp-msgs.h): at least
// `least` bytes, and beyond that a multiple of `step` (0: not a byte more).
import type { MultipartKind } from './multipart.ts'

export interface Format {
  readonly name: string
  readonly least: number
  readonly step: number
}

const format = (name: string, least: number, step = 0): Format => ({ name, least, step })

export const messageFormats = {
  hello: format('OFPT_HELLO', 8, 1),
  error: format('OFPT_ERROR', 12, 1),
  echo_request: format('OFPT_ECHO_REQUEST', 8, 1),
  echo_reply: format('OFPT_ECHO_REPLY', 8, 1),
  features_request: format('OFPT_FEATURES_REQUEST', 8),
  features_reply: format('OFPT_FEATURES_REPLY', 32),
  get_config_request: format('OFPT_GET_CONFIG_REQUEST', 8),
  get_config_reply: format('OFPT_GET_CONFIG_REPLY', 12),
  set_config: format('OFPT_SET_CONFIG', 12),
  packet_in: format('OFPT_PACKET_IN', 24, 1),
  flow_removed: format('OFPT_FLOW_REMOVED', 48, 8),
  port_status: format('OFPT_PORT_STATUS', 80),
  packet_out: format('OFPT_PACKET_OUT', 24, 1),
  flow_mod: format('OFPT_FLOW_MOD', 48, 8),
  group_mod: format('OFPT_GROUP_MOD', 16, 8),
  port_mod: format('OFPT_PORT_MOD', 40),
  table_mod: format('OFPT_TABLE_MOD', 16),
  barrier_request: format('OFPT_BARRIER_REQUEST', 8),
  barrier_reply: format('OFPT_BARRIER_REPLY', 8),
  queue_get_config_request: format('OFPT_QUEUE_GET_CONFIG_REQUEST', 16),
  queue_get_config_reply: format('OFPT_QUEUE_GET_CONFIG_REPLY', 16, 8),
  role_request: format('OFPT_ROLE_REQUEST', 24),
  role_reply: format('OFPT_ROLE_REPLY', 24),
  get_async_request: format('OFPT_GET_ASYNC_REQUEST', 8),
  get_async_reply: format('OFPT_GET_ASYNC_REPLY', 32),
  set_async: format('OFPT_SET_ASYNC', 32),
  meter_mod: format('OFPT_METER_MOD', 16, 8),
  bundle_control: format('ONFT_BUNDLE_CONTROL', 24, 8),
  bundle_add: format('ONFT_BUNDLE_ADD_MESSAGE', 24, 1),
  role_status: format('ONFT_ROLE_STATUS', 32, 8),
  request_forward: format('ONFT_REQUESTFORWARD', 24, 8),
  flow_monitor_cancel: format('ONFT_FLOW_MONITOR_CANCEL', 20),
  flow_monitor_paused: format('ONFT_FLOW_MONITOR_PAUSED', 16),
  flow_monitor_resumed: format('ONFT_FLOW_MONITOR_RESUMED', 16),
  nx_role_request: format('NXT_ROLE_REQUEST', 20),
  nx_role_reply: format('NXT_ROLE_REPLY', 20),
  nx_set_async_config: format('NXT_SET_ASYNC_CONFIG', 40),
  nx_set_async_config2: format('NXT_SET_ASYNC_CONFIG2', 16, 8),
  packet_in2: format('NXT_PACKET_IN2', 16, 8),
  nx_packet_in: format('NXT_PACKET_IN', 40, 1),
  nx_flow_removed: format('NXT_FLOW_REMOVED', 56, 8),
  resume: format('NXT_RESUME', 16, 8),
  set_controller_id: format('NXT_SET_CONTROLLER_ID', 24),
  set_packet_in_format: format('NXT_SET_PACKET_IN_FORMAT', 20),
  flow_mod_table_id: format('NXT_FLOW_MOD_TABLE_ID', 24),
  flow_age: format('NXT_FLOW_AGE', 16),
  tlv_table_mod: format('NXT_TLV_TABLE_MOD', 24, 8),
  tlv_table_request: format('NXT_TLV_TABLE_REQUEST', 16),
  tlv_table_reply: format('NXT_TLV_TABLE_REPLY', 32, 8),
  ct_flush_zone: format('NXT_CT_FLUSH_ZONE', 24),
  ct_flush: format('NXT_CT_FLUSH', 24, 8),
  // What a multipart message must have before its kind is known.
  multipart_request: format('', 16, 1),
  multipart_reply: format('', 16, 1),
} as const satisfies Readonly<Record<string, Format>>

interface MultipartFormat {
  readonly request: Format
  readonly reply: Format
}

const pair = (name: string, request: readonly [number, number], reply: readonly [number, number]): MultipartFormat => ({
  request: format(`${name} request`, ...request),
  reply: format(`${name} reply`, ...reply),
})

export const multipartFormats: Readonly<Record<MultipartKind, MultipartFormat>> = {
  desc: pair('OFPST_DESC', [16, 0], [1072, 0]),
  flow: pair('OFPST_FLOW', [48, 8], [16, 1]),
  aggregate: pair('OFPST_AGGREGATE', [48, 8], [40, 0]),
  table: pair('OFPST_TABLE', [16, 0], [16, 24]),
  port_stats: pair('OFPST_PORT', [24, 0], [16, 112]),
  queue: pair('OFPST_QUEUE', [24, 0], [16, 40]),
  group: pair('OFPST_GROUP', [24, 0], [16, 8]),
  group_desc: pair('OFPST_GROUP_DESC', [16, 0], [16, 8]),
  group_features: pair('OFPST_GROUP_FEATURES', [16, 0], [56, 0]),
  meter: pair('OFPST_METER', [24, 0], [16, 8]),
  meter_config: pair('OFPST_METER_CONFIG', [24, 0], [16, 8]),
  meter_features: pair('OFPST_METER_FEATURES', [16, 0], [32, 0]),
  table_features: pair('OFPST_TABLE_FEATURES', [16, 8], [80, 8]),
  port_desc: pair('OFPST_PORT_DESC', [16, 0], [16, 64]),
  flow_monitor: pair('ONFST_FLOW_MONITOR', [24, 8], [24, 8]),
  ipfix_bridge: pair('NXST_IPFIX_BRIDGE', [24, 0], [112, 0]),
  ipfix_flow: pair('NXST_IPFIX_FLOW', [24, 0], [24, 88]),
}

/** Whether `length` is one that `format` may have. */
export const fits = ({ least, step }: Format, length: number): boolean =>
  length === least || (step > 0 && length > least && (length - least) % step === 0)
