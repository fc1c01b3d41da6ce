//! The reader of the Pulumi program.

use crate::serverless::Program;
use crate::serverless::program::yaml;

const PROGRAM: &str = r#"
name: shop
config:
  stage: { type: string, default: live }
  memory: { type: integer, default: 256 }
  keep: { type: boolean, default: false }
  aws:region: { value: us-east-1 }
  secret: { type: string }
variables:
  list: [one, { deep: "${stage}" }]
  region: { fn::invoke: { function: aws:getRegion, return: name } }
resources:
  table: { type: "aws:dynamodb/table:Table", properties: { hashKey: id } }
  api: { type: "aws:apigatewayv2:Api", properties: { protocolType: HTTP } }
  stageOfApi: { type: "aws:apigatewayv2:Stage", properties: { apiId: "${api.id}", name: "${stage}" } }
  circle: { type: "a:b:C", properties: { x: "${circle.x}" } }
  all:
    type: a:b:All
    properties:
      whole: ${memory}
      text: "${memory} MB in ${region}"
      literal: $${stage} costs $5
      indexed: "${list[1].deep}/${list[0]}"
      quoted: ${list[1]["deep"]}
      json: { fn::toJSON: { a: [1, "${keep}"] } }
      joined: { fn::join: ["-", [a, "${memory}", { fn::select: [1, { fn::split: [",", "x,y"] }] }]] }
      archive: { fn::fileArchive: build/bootstrap.zip }
      hidden: { fn::secret: "${secret}" }
      key: ${table.hashKey}
      url: ${stageOfApi.invokeUrl}
      yes: on
"#;

fn read(program: &str, stack: &str, settings: &[(&str, &str)]) -> Result<Program, String> {
    Program::parse(yaml(program)?, &yaml(stack)?, settings)
}

const STACK: &str = r#"config: { "shop:memory": "512", "shop:secret": s, "aws:region": eu-central-1 }"#;

#[test]
fn expressions_become_values() {
    let program = read(PROGRAM, STACK, &[]).expect("it is sound");
    let all = program.properties("all").expect("everything is known");
    for (name, value) in [
        ("text", "512 MB in us-east-1"),
        ("literal", "${stage} costs $5"),
        ("indexed", "live/one"),
        ("quoted", "live"),
        ("json", r#"{"a":[1,false]}"#),
        ("joined", "a-512-y"),
        ("archive", "build/bootstrap.zip"),
        ("hidden", "s"),
        ("key", "id"),
        ("yes", "on"),
    ] {
        assert_eq!(all[name], value, "{name}");
    }
    assert_eq!(all["whole"], 512, "a value that is only one expression keeps its type");
    let url = format!("https://{}/live", program.api_host("api"));
    assert_eq!(all["url"], url.as_str());
    assert_eq!(program.of_type("aws:dynamodb:Table"), ["table"]);
}

#[test]
fn a_test_s_settings_go_before_the_stack_file() {
    let program = read(PROGRAM, STACK, &[("memory", "1024"), ("stage", "test")]).expect("it is sound");
    assert_eq!(program.property("all", "text"), Ok("1024 MB in us-east-1".into()));
    assert_eq!(program.property("all", "quoted"), Ok("test".into()));
}

#[test]
fn what_is_wrong_is_named() {
    let error = |program: &str, stack: &str, settings: &[(&str, &str)]| {
        read(program, stack, settings).expect_err("it is refused")
    };
    let misspelt = PROGRAM.replace("${memory}\n", "${memroy}\n");
    assert!(error(&misspelt, STACK, &[]).contains("nothing is called memroy"));
    assert!(error(PROGRAM, "config: {}", &[]).contains("missing configuration value shop:secret"));
    assert!(error(PROGRAM, r#"config: { "shop:secret": { secure: AAA } }"#, &[]).contains("shop:secret: is encrypted"));
    assert!(error(PROGRAM, STACK, &[("memory", "much")]).contains("is no integer"));
    assert!(error(PROGRAM, STACK, &[("nothing", "")]).contains("declares no configuration key nothing"));
    assert!(error(PROGRAM, r#"config: { "shop:secret": s, "shop:other": x }"#, &[]).contains("shop:other"));
    let program = read(PROGRAM, STACK, &[]).expect("it is sound");
    assert!(program.properties("circle").expect_err("a circle").contains("depends on itself"));
    let unknown = read(&PROGRAM.replace("${table.hashKey}", "${table.colour}"), STACK, &[]).expect("heads are known");
    assert!(unknown.properties("all").expect_err("no such attribute").contains("a aws:dynamodb:Table has no colour"));
    let function = read(&PROGRAM.replace("fn::join", "fn::jion"), STACK, &[]).expect("heads are known");
    assert!(function.properties("all").expect_err("no such function").contains("fn::jion"));
}
