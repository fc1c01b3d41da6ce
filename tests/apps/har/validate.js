// Validates a HAR file against the schema of HAR 1.2: node validate.js file.har

const { readFileSync } = require("fs");
const { createRequire } = require("module");

const validator = createRequire(process.argv[3])("har-validator/lib/promise");
validator.har(JSON.parse(readFileSync(process.argv[2], "utf8"))).then(
  (har) => console.log(har.log.entries.length),
  (problem) => {
    console.error(JSON.stringify(problem.errors, null, 2));
    process.exit(1);
  },
);
