/**
 * The columns that Grafana needs of each query, in order: their names are what panels, links
 * and units refer to. A query that is not here has no place in the dashboards.
 */
export const expectedAnswers: Readonly<Record<string, string>> = {
  'agent.json, panel "Requests"': "time longest p50",
  'agent.json, panel "Traces"': "time request agent duration spans errors trace",
  'agent.json, panel "Trace"':
    "traceID spanID parentSpanID serviceName operationName startTime duration tags serviceTags statusCode",
  'agent.json, panel "Where its time went"': "span times total longest",
  'agent.json, panel "What was logged meanwhile"': "timestamp body level labels traceID",
  "agent.json, variable environment": "environment",
  "agent.json, variable agent_id": "agent",
  "agent.json, variable device_id": "device",
  'agent.json, annotation "Deploys"': "time timeEnd title text tags",

  'collector.json, panel "Fullest queue"': "fill",
  'collector.json, panel "Memory now"': "share",
  'collector.json, panel "Last heard of"': "age",
  'collector.json, panel "Queues"': "time exporter fill",
  'collector.json, panel "Delivered"': "time delivered rate",
  'collector.json, panel "Refused and lost"': "time what lost",
  'collector.json, panel "Memory"': "time collector resident",
  'collector.json, panel "Uptime"': "time collector uptime",
  'collector.json, panel "Taken in"': "time accepted rate",
  "collector.json, variable environment": "environment",
  'collector.json, annotation "Deploys"': "time timeEnd title text tags",

  'logs.json, panel "Lines by level"': "time severity logged",
  'logs.json, panel "Log"': "timestamp body level labels traceID",
  'logs.json, panel "Warnings and errors with their traces"':
    "time severity message request duration trace",
  "logs.json, variable environment": "environment",
  "logs.json, variable level": "level",
  'logs.json, annotation "Deploys"': "time timeEnd title text tags",

  'server.json, panel "Requests"': "time outcome requests",
  'server.json, panel "Latency"': "time p50 p95 p99",
  'server.json, panel "Share that failed"': "time failed",
  'server.json, panel "Inside an answer"': "time part mean",
  'server.json, panel "Routes"': "route requests failed p50 p95 longest",
  'server.json, panel "Latest errors"': "time route status exception duration trace",
  "server.json, variable environment": "environment",
  'server.json, annotation "Deploys"': "time timeEnd title text tags",

  'alert "Collector queue above 60 %"': "environment replica exporter signal fill",
  'alert "Collector loses telemetry"': "environment replica exporter metric lost",
  'alert "Collector refuses telemetry"': "environment replica receiver metric refused",
  'alert "Collector memory above 80 %"': "environment replica share",
  'alert "Collector restarted"': "environment replica restarts",
  'alert "No data from the collector"': "points",
};
