// What a flow is told apart by on a switch, as a string: equal for what Weft wants and for what a switch lists.

/** `bytes` from `from` to `to` is the flow's struct ofp_match, padding included. */
export function flowKey(table: number, priority: number, bytes: Buffer, from: number, to: number): string {
  return `${table}/${priority}/${bytes.toString('latin1', from, to)}`
}
