// Weft's meters have numbers of their own range, so that those of others on the bridge can be told and left alone (a meter
// that is deleted takes the flows that use it along).
const FIRST = 0x1_0000
/** Four for each port; how many meters a switch has does not bound their numbers (OVS keeps a map). */
const LIMITS = 0x2_0000
const END = 0x6_0000

export const isOurMeter = (meter: number): boolean => meter >= FIRST && meter < END

/** The meter for what one port sends to the controller. */
export const portMeter = (ofport: number): number => FIRST + ofport
const directions = ['egress', 'ingress'] as const
const measures = ['kilobits', 'packets'] as const

/** The meter for one of a port's limits. */
export const limitMeter = (
  ofport: number,
  direction: (typeof directions)[number],
  measure: (typeof measures)[number],
): number => LIMITS + 4 * ofport + 2 * directions.indexOf(direction) + measures.indexOf(measure)

/** Whose limit a meter is; null for one that is for something else. */
export function limitOf(meter: number): { readonly ofport: number; readonly direction: 'egress' | 'ingress' } | null {
  if (meter < LIMITS || meter >= END) return null
  const number = meter - LIMITS
  return { ofport: number >> 2, direction: directions[(number >> 1) & 1] as 'egress' | 'ingress' }
}

/** The meter for what routers answer through the controller. OpenFlow port numbers end below 0xff00. */
export const ROUTER_METER = FIRST + 0xff01
/** The meter for what routers want to know of their neighbours on external networks. */
export const NEIGHBOUR_METER = FIRST + 0xff04
/** The meter for packets that rules reject. */
export const REJECT_METER = FIRST + 0xff02
/** The meter for packets of which rules want a log. */
export const LOG_METER = FIRST + 0xff03
