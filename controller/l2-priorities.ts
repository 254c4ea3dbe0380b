// Of the stage 'l2', to which several apps contribute: routers come before what is known, that before what is copied, and a
// port here before its place elsewhere.
export const l2Priorities = { service: 120, local: 110, remote: 100, multicast: 90, unknown: 80 } as const
