"""When a waiting mail is tried next, and mails that nobody sends."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("core", "0003_mail")]
    operations = [
        migrations.AddField(
            model_name="mail", name="due_at", field=models.DateTimeField(db_default=Now())
        ),
        migrations.AlterField(
            model_name="mail",
            name="state",
            field=models.CharField(
                choices=[
                    ("standing", "Standing"),
                    ("waiting", "Waiting"),
                    ("sent", "Sent"),
                    ("failed", "Failed"),
                ],
                default="waiting",
                max_length=8,
            ),
        ),
        migrations.RemoveIndex(model_name="mail", name="mail_waiting"),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                fields=["due_at"], name="mail_due", condition=models.Q(state="waiting")
            ),
        ),
    ]
