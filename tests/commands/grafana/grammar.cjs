// Where Grafana's own grammar does not understand a query: {"queries": [...]} on standard input, a list for each.
const { parser } = require("@grafana/lezer-traceql");

const { queries } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const misread = (query) => {
  const found = [];
  parser.parse(query).iterate({ enter: (node) => { if (node.type.isError) found.push(query.slice(node.from)); } });
  return found;
};
console.log(JSON.stringify(queries.map(misread)));
