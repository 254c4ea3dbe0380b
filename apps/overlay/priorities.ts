// Of the stage 'l2': what is known comes before what is copied, and a port here before its place elsewhere.
export const priorities = { local: 110, remote: 100, multicast: 90, unknown: 80 } as const
