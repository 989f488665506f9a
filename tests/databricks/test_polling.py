from daybook.databricks.polling import SHARE, SOONEST_SECONDS, next_wait


def test_a_young_command_is_asked_for_at_once_and_an_old_one_rarely():
    assert next_wait(0.0, 3.0) == 0.01
    assert next_wait(10.0, 3.0) == 0.25
    assert next_wait(3600.0, 3.0) == 3.0


def test_a_minute_takes_few_questions_and_adds_its_share_at_most():
    age, questions = 0.0, 0
    while age < 60:
        wait = next_wait(age, 3.0)
        assert wait <= max(SOONEST_SECONDS, SHARE * age)
        age, questions = age + wait, questions + 1
    assert questions < 250
