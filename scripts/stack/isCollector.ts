/** Whether a service is a collector: one or, with COLLECTOR_REPLICAS, several. */
export function isCollector(service: string): boolean {
  return /^collector(?:-\d+)?$/.test(service);
}
