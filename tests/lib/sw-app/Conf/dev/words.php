<?php
return ['greeting' => ['en' => 'hello from dev']];
