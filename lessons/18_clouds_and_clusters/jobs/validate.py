"""The three jobs before the providers' own packages; writes validated.json. Sends nothing, needs no account.

pip install botocore google-cloud-aiplatform azure-ai-ml     # in an environment of its own
python validate.py
"""

import json
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import botocore.session
import botocore.validate
from azure.ai.ml import load_job
from google.cloud.aiplatform_v1.types import CustomJob
from google.protobuf import json_format

HERE = Path(__file__).parent


def main() -> None:
    service = botocore.session.get_session().get_service_model("sagemaker")
    shape = service.operation_model("CreateTrainingJob").input_shape
    request = json.loads((HERE / "sagemaker.json").read_text())
    report = botocore.validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    json_format.ParseDict(json.loads((HERE / "vertex.json").read_text()), CustomJob.pb(CustomJob()))
    assert load_job(HERE / "azure.yml")._validate().passed
    packages = {
        "sagemaker.json": "botocore",
        "vertex.json": "google-cloud-aiplatform",
        "azure.yml": "azure-ai-ml",
    }
    told = {
        name: {
            "by": f"{package} {version(package)}",
            "sha256": sha256((HERE / name).read_bytes()).hexdigest(),
        }
        for name, package in packages.items()
    }
    (HERE / "validated.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
